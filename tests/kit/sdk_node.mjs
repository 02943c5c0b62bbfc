// AWS's packages for Node, unmodified, for a test: a line of standard input is a call, a line of standard output its answer.
// Arguments: the folder of the packages, the client's options as JSON, by how many ms this machine's clock is said to be wrong.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

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

// JSON has neither bytes nor dates.
function pack(name, value) {
  const was = this[name];
  if (was instanceof RightDate) return { $ms: was.getTime() };
  if (was instanceof Uint8Array) return { $bytes: Buffer.from(was).toString("base64") };
  return value;
}
function unpack(_name, value) {
  if (value?.$bytes !== undefined) return Buffer.from(value.$bytes, "base64");
  return value?.$ms === undefined ? value : new Date(value.$ms);
}

for await (const line of createInterface({ input: process.stdin })) {
  const [call, ...given] = JSON.parse(line, unpack);
  const answer = await CALLS[call](...given).then((value) => ({ value }), (error) => ({ error: told(error) }));
  console.log(JSON.stringify(answer, pack));
}
