// AWS's packages for Node, unmodified, for a test.
// Arguments: the folder of the packages, the client's options as JSON, by how many ms this machine's clock is said to be wrong.
import { createRequire } from "node:module";
import { answer } from "./worker.mjs";

const [packages, options, skew] = process.argv.slice(2);
const RightDate = Date;
globalThis.Date = class extends RightDate {
  constructor(...given) {
    super(...(given.length ? given : [Date.now()]));
  }
  static now() {
    return RightDate.now() + Number(skew);
  }
};

const require = createRequire(`${packages}/`);
const kms = require("@aws-sdk/client-kms");
const esdk = require("@aws-crypto/client-node");
const client = new kms.KMSClient(JSON.parse(options));
const messages = esdk.buildClient(esdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const send = (command, fields) => client.send(new kms[`${command}Command`](fields));

const CALLS = {
  send,
  async all(command, every) {
    const done = await Promise.allSettled(every.map((fields) => send(command, fields)));
    return done.map(({ value, reason }) => (reason ? told(reason) : { attempts: value.$metadata.attempts }));
  },
  async pages(operation, pageSize, fields) {
    const pages = [];
    for await (const page of kms[`paginate${operation}`]({ client, pageSize }, fields)) pages.push(page);
    return pages;
  },
  async encrypt(keyring, plaintext, encryptionContext) {
    const { result } = await messages.encrypt(new esdk.KmsKeyringNode(keyring), plaintext, { encryptionContext });
    return result;
  },
  async decrypt(keyring, message) {
    const { plaintext, messageHeader } = await messages.decrypt(new esdk.KmsKeyringNode(keyring), message);
    return { plaintext, context: messageHeader.encryptionContext, keys: messageHeader.encryptedDataKeys };
  },
};

const told = (error) => ({
  name: error.name,
  is_of_its_class: kms[error.name] !== undefined && error instanceof kms[error.name],
  message: error.message,
  status: error.$metadata?.httpStatusCode,
  request_id: error.$metadata?.requestId,
  attempts: error.$metadata?.attempts,
});

await answer(CALLS, told);
