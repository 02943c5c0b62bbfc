// The languages of our pages.

export const LANGUAGES = ["en", "zh"];

// The language that is asked for, or the browser's, or English.
export function language(asked) {
  if (LANGUAGES.includes(asked)) return asked;
  const found = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES.includes(tag));
  return found ?? "en";
}

// say(lang)(key, ...told) of a page's texts; say(lang, more) of those of a part of it beside them, in the same form.
export const speaks =
  (texts) =>
  (lang, more = texts) =>
  (key, ...told) =>
    (more[lang][key] ?? texts[lang][key]).replace(/\{(\d)\}/g, (_, n) => told[n]);

export const tag = (lang) => ({ en: "en", zh: "zh-CN" })[lang];
