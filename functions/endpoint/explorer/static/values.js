// The texts of a form's fields: what is wrong with one, and the value that it stands for.

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function within(t, name, size, { least, most }) {
  if (least && size < least) return t(`wrong.${name}.least`, least, size);
  if (most !== undefined && size > most) return t(`wrong.${name}.most`, most, size);
  return "";
}

function decoded(text) {
  try {
    return BASE64.test(text) && btoa(atob(text)) === text ? atob(text).length : -1;
  } catch {
    return -1;
  }
}

const CHECKS = {
  text(param, text, t) {
    if (param.form && !new RegExp(`^(?:${param.form})$`, "u").test(text)) return t("wrong.form", param.form);
    return param.bytes
      ? within(t, "bytes", new TextEncoder().encode(text).length, param)
      : within(t, "characters", [...text].length, param);
  },
  integer(param, text, t) {
    const wrong = !/^-?[0-9]{1,15}$/.test(text) || Number(text) < param.least || Number(text) > param.most;
    if (!wrong) return "";
    return param.most === undefined ? t("wrong.integer") : t("wrong.range", param.least, param.most);
  },
  boolean: (param, text, t) => (["true", "false"].includes(text) ? "" : t("wrong.boolean")),
  choice: (param, text, t) => (param.names.includes(text) ? "" : t("wrong.choice", param.names.join(", "))),
  base64(param, text, t) {
    const size = decoded(text);
    return size < 0 ? t("wrong.base64") : within(t, "bytes", size, param);
  },
  key: (param, text, t) => (param.form && !new RegExp(`^(?:${param.form})$`).test(text) ? t("wrong.key") : ""),
  map(param, text, t) {
    const value = json(text);
    if (!isObject(value) || !Object.values(value).every((item) => typeof item === "string")) return t("wrong.map");
    return within(t, "characters", [...Object.entries(value).flat().join("")].length, param);
  },
  json: (param, text, t) => (typeof json(text) === "object" && json(text) !== null ? "" : t("wrong.json")),
  list(param, text, t) {
    const items = lines(text);
    const wrong = items.map((item) => CHECKS[param.of.kind](param.of, item, t)).find(Boolean);
    return wrong || within(t, "items", items.length, param);
  },
};

// What is wrong with the text of a field, in words, or "". `t` says them.
export function wrong(param, text, t) {
  if (text === "") return param.required && !param.blank ? t("wrong.required") : "";
  return CHECKS[param.kind](param, text, t);
}

const VALUES = {
  integer: Number,
  boolean: (text) => text === "true",
  list: lines,
  map: JSON.parse,
  json: JSON.parse,
};

// The value of a field that is not wrong; undefined: it is not sent. What travels as JSON text stays text.
export function valueOf(param, text) {
  if (text === "" && !(param.required && param.blank)) return undefined;
  const read = VALUES[param.kind];
  return read && !param.json ? read(text) : text;
}

export const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
