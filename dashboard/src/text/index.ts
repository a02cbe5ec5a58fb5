// The texts of the page: English in the sources, with a translation of each one in other languages.

import type { zh } from './zh.ts';

/** A text that every language has, with `{names}` of values to insert. */
export type Text = keyof typeof zh;
export type Language = 'en' | 'zh';

/** The language of the page. */
export let language: Language = 'en';

/** The texts in that language; `null` for English, whose texts are the keys. */
let translations: Record<Text, string> | null = null;

/** Chooses the language. Its texts are a file of their own, which only its readers download. */
export async function useLanguage(chosen: Language): Promise<void> {
  language = chosen;
  translations = chosen === 'zh' ? (await import('./zh.ts')).zh : null;
}

/** Returns a text in the language of the page. */
export function t(text: Text, values: Record<string, string | number> = {}): string {
  return insert(translations?.[text] ?? text, values);
}

/** Returns a text that may have no translation: another name of the protocol is shown as it is. */
export function tIfKnown(text: string): string {
  return (translations as Record<string, string> | null)?.[text] ?? text;
}

function insert(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Formats a number with at most so many decimals. */
export function number(value: number, decimals = 0): string {
  return value.toLocaleString(language, { maximumFractionDigits: decimals });
}

/** Formats milliseconds: no decimals from 100, one from 1, else two. */
export function ms(value: number | null): string {
  if (value === null) return '–';
  if (value >= 10_000) return `${number(value / 1000, 1)} s`;
  if (value >= 100) return `${number(value)} ms`;
  return `${number(value, value < 1 ? 2 : 1)} ms`;
}

/** Formats a number of bytes in a fitting unit. */
export function size(bytes: number): string {
  if (bytes < 10_000) return `${number(bytes)} B`;
  return bytes < 10_000_000 ? `${number(bytes / 1000, 1)} kB` : `${number(bytes / 1e6, 1)} MB`;
}
