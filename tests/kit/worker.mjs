// What kit/worker.py speaks, for Node: a line of standard input is a call, a line of standard output its answer.
import { createInterface } from "node:readline";

const RightDate = Date;

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

// `told` is what of an exception is answered.
export async function answer(calls, told) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [call, ...given] = JSON.parse(line, unpack);
    const done = await calls[call](...given).then((value) => ({ value }), (error) => ({ error: told(error) }));
    console.log(JSON.stringify(done, pack));
  }
}
