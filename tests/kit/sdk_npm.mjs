// The packages of Alibaba Cloud and Tencent Cloud for Node, unmodified, for a test.
// Arguments: the folder of the packages, which of `CLIENTS`, where the server is and the client's options as JSON.
import { createRequire } from "node:module";
import { answer } from "./worker.mjs";

const [packages, name, given] = process.argv.slice(2);
const { host, scheme, id, secret, token, ...options } = JSON.parse(given);
const require = createRequire(`${packages}/`);
const lower = (word) => word[0].toLowerCase() + word.slice(1);

// Each makes a function of an action and its fields, both in the API's own names.
const CLIENTS = {
  "pop-core"() {
    const { RPCClient } = require("@alicloud/pop-core");
    const client = new RPCClient({
      endpoint: `${scheme}://${host}`, apiVersion: "2016-01-20", accessKeyId: id, accessKeySecret: secret, securityToken: token,
    });
    return (action, fields) => client.request(action, fields, options);
  },
  kms20160120() {
    const kms = require("@alicloud/kms20160120");
    const { Config } = require("@alicloud/rpc-client");
    const config = { endpoint: host, protocol: scheme, accessKeyId: id, accessKeySecret: secret, regionId: "cn-hangzhou" };
    const client = new kms.default(new Config({ ...config, ...(token && { securityToken: token, type: "sts" }) }));
    return async (action, fields) => {
      const named = Object.fromEntries(Object.entries(fields).map(([name, value]) => [lower(name), value]));
      const made = kms[`${action}Request`];
      const answered = await (made ? client[lower(action)](new made(named)) : client[lower(action)]());
      return answered.toMap();
    };
  },
  // Its methods take what the API names in an order of their own.
  "kms-sdk"() {
    const Kms = require("@alicloud/kms-sdk");
    const credential = { getCredential: async () => ({ accessKeyId: id, accessKeySecret: secret, securityToken: token }) };
    const client = new Kms({ endpoint: host, ...(token ? { credential } : { accessKeyId: id, accessKeySecret: secret }) });
    const orders = {
      CreateAlias: ["KeyId", "AliasName"],
      CreateKey: ["Origin", "Description", "KeyUsage"],
      Decrypt: ["CiphertextBlob", "EncryptionContext"],
      DescribeKey: ["KeyId"],
      DisableKey: ["KeyId"],
      Encrypt: ["KeyId", "Plaintext", "EncryptionContext"],
      GenerateDataKey: ["KeyId", "KeySpec", "NumberOfBytes", "EncryptionContext"],
      GetParametersForImport: ["KeyId", "WrappingAlgorithm", "WrappingKeySpec"],
      ImportKeyMaterial: ["KeyId", "EncryptedKeyMaterial", "ImportToken", "KeyMaterialExpireUnix"],
      ListKeys: ["PageNumber", "PageSize"],
      ScheduleKeyDeletion: ["KeyId", "PendingWindowInDays"],
    };
    return (action, fields) => client[lower(action)](...orders[action].map((field) => fields[field]));
  },
  "tencent-node"() {
    const { Client } = require("tencentcloud-sdk-nodejs").kms.v20190118;
    const { signMethod, ...http } = options;
    const client = new Client({
      credential: { secretId: id, secretKey: secret, token }, region: "ap-guangzhou",
      profile: { signMethod, httpProfile: { endpoint: host, protocol: `${scheme}://`, ...http } },
    });
    return (action, fields) => client[action](fields);
  },
};

const ask = CLIENTS[name]();
const told = (error) => ({
  name: error.name,
  message: error.message,
  code: error.code,
  status: error.entry?.response.statusCode,
  request_id: error.data?.RequestId ?? error.requestId,
});
await answer({ ask: async (action, fields) => ask(action, fields) }, told);
