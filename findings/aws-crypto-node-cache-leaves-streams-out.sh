#!/usr/bin/env bash
# @aws-crypto/client-node 5.0.2 (npm, its newest), Node 20
# Surprise: with a caching materials manager, `encrypt(cmm, stream)` and `encryptStream(cmm, ..)` ask the KMS for a data key each time, though no
# limit of bytes was set. Only with `plaintextLength` is a data key used again; buffers and strings have one by themselves. Decryption of
# streams is cached.
# Why it matters: the cache is put in to save requests, which cost money and come up against a quota, and works in every test with a text. Files,
# for which it was meant, cost a request each, without any word of it.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @aws-crypto/client-node@5.0.2 >/dev/null
cat > run.cjs <<'E'
const { createCipheriv, createDecipheriv, randomBytes } = require("node:crypto");
const { Readable } = require("node:stream");
const { buildClient, CommitmentPolicy, getLocalCryptographicMaterialsCache, KmsKeyringNode, NodeCachingMaterialsManager } =
  require("@aws-crypto/client-node");

const { encrypt, encryptStream, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const generatorKeyId = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000000";
const asked = { GenerateDataKey: 0, Decrypt: 0 };
const secret = randomBytes(32);
// What a KMS does with a data key, in this process.
const client = {
  config: { region: "eu-west-1" },
  async generateDataKey({ NumberOfBytes }) {
    asked.GenerateDataKey += 1;
    const [Plaintext, nonce] = [randomBytes(NumberOfBytes), randomBytes(12)];
    const cipher = createCipheriv("aes-256-gcm", secret, nonce);
    const sealed = Buffer.concat([nonce, cipher.update(Plaintext), cipher.final(), cipher.getAuthTag()]);
    return { KeyId: generatorKeyId, Plaintext, CiphertextBlob: sealed };
  },
  async decrypt({ CiphertextBlob }) {
    asked.Decrypt += 1;
    const blob = Buffer.from(CiphertextBlob);
    const decipher = createDecipheriv("aes-256-gcm", secret, blob.subarray(0, 12)).setAuthTag(blob.subarray(-16));
    return { KeyId: generatorKeyId, Plaintext: Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()]) };
  },
};
const keyring = new KmsKeyringNode({ generatorKeyId, clientProvider: () => client });
const requests = async (operation, times) => {
  const cmm = new NodeCachingMaterialsManager({ backingMaterials: keyring, cache: getLocalCryptographicMaterialsCache(10), maxAge: 60_000 });
  Object.assign(asked, { GenerateDataKey: 0, Decrypt: 0 });
  for (let index = 0; index < 5; index += 1) await operation(cmm);
  return asked[times];
};
const file = () => Readable.from([Buffer.from("a file")]);
const drained = (stream) => new Promise((resolve, reject) => stream.on("error", reject).on("end", resolve).resume());
(async () => {
  const { result } = await encrypt(keyring, "a file");
  const seen = {
    "encrypt of a text": await requests((cmm) => encrypt(cmm, "a file"), "GenerateDataKey"),
    "encrypt of a stream": await requests((cmm) => encrypt(cmm, file()), "GenerateDataKey"),
    "encrypt of a stream with plaintextLength": await requests((cmm) => encrypt(cmm, file(), { plaintextLength: 6 }), "GenerateDataKey"),
    "encryptStream": await requests((cmm) => drained(file().pipe(encryptStream(cmm, {}))), "GenerateDataKey"),
    "encryptStream with plaintextLength": await requests((cmm) => drained(file().pipe(encryptStream(cmm, { plaintextLength: 6 }))), "GenerateDataKey"),
    "decrypt of a stream": await requests((cmm) => decrypt(cmm, Readable.from([result])), "Decrypt"),
  };
  console.log("@aws-crypto/client-node", require("@aws-crypto/client-node/package.json").version, process.version);
  for (const [what, times] of Object.entries(seen)) console.log(`five times ${what}: ${times} requests`);
  if (JSON.stringify(Object.values(seen)) !== JSON.stringify([1, 5, 1, 5, 1, 1])) {
    console.error("changed");
    process.exit(1);
  }
  console.log("still so");
  process.exit(0);
})();
E
node --no-warnings run.cjs
