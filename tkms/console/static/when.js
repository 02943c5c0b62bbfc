// Times of the server, in Unix seconds, as the reader's own clock has them.

const two = (number) => String(number).padStart(2, "0");

export const day = (seconds) => {
  const at = new Date(seconds * 1000);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
};

export const time = (seconds) => {
  const at = new Date(seconds * 1000);
  return `${day(seconds)} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
};

// 0 is never.
export const dayOr = (seconds, never) => (seconds ? day(seconds) : never);

export const days = (seconds) => Math.ceil((seconds - Date.now() / 1000) / 86400);

// A duration of so many microseconds, with two figures.
export const took = (micros) => {
  const [value, unit] = micros < 1000 ? [micros, "µs"] : micros < 1e6 ? [micros / 1000, "ms"] : [micros / 1e6, "s"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
};
