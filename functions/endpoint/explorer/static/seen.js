// What answers of this tab had in them, for the next form: a key of ListKeys, a ciphertext of Encrypt. No plaintexts.

const OTHER_NAMES = {
  ciphertext: "ciphertextblob",
  destinationkeyid: "keyid",
  keyids: "keyid",
  resourceid: "keyid",
  sourcekeyid: "keyid",
  targetkeyid: "keyid",
  signaturevalue: "signature",
};
const SECRET = /plaintext|secret|private|requestid/;

export class Seen {
  #values = new Map();

  // Keeps the first text of each name in an answer.
  learn(body) {
    const found = new Map();
    walk(body, "", found);
    for (const [name, value] of found) this.#values.set(name, value);
  }

  for(param) {
    const name = param.name.toLowerCase();
    const value = this.#values.get(name) ?? this.#values.get(OTHER_NAMES[name]);
    // The id is what every dialect takes; ARNs of another one are not.
    return param.kind === "key" || param.of?.kind === "key" ? value?.split(/[:/]/).pop() : value;
  }
}

function walk(value, name, found) {
  if (Array.isArray(value)) value.forEach((item) => walk(item, name, found));
  else if (value !== null && typeof value === "object") Object.entries(value).forEach(([key, item]) => walk(item, key.toLowerCase(), found));
  else if (typeof value === "string" && value && !SECRET.test(name) && !found.has(name)) found.set(name, value);
}
