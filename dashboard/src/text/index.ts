// The page's language: English is what stands in the sources, and another language has a word for each of its texts.

import { zh } from './zh.js';

/** A text that there is in every language; with `{names}` for what is filled in. */
export type Text = keyof typeof zh;
export type Language = 'en' | 'zh';

const KEY = 'tricast.language';
const ATTRIBUTES = ['title', 'placeholder', 'aria-label', 'data-empty'];

/** What the reader has chosen, else the browser's. */
export const language: Language =
  known(localStorage.getItem(KEY)) ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');

function known(name: string | null): Language | null {
  return name === 'en' || name === 'zh' ? name : null;
}

/** Shows the page in that language from now on. */
export function choose(name: string): void {
  localStorage.setItem(KEY, known(name) ?? 'en');
  location.reload();
}

/** The text in the page's language. */
export function t(text: Text, values: Record<string, string | number> = {}): string {
  return fill(language === 'zh' ? (zh[text] ?? text) : text, values);
}

function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A number as the reader writes it, with so many digits behind the point at most. */
export function number(value: number, digits = 0): string {
  return value.toLocaleString(language, { maximumFractionDigits: digits });
}

/** Milliseconds, as exactly as is of use. */
export function ms(value: number | null): string {
  if (value === null) return '–';
  return value < 10_000
    ? `${number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`
    : `${number(value / 1000, 1)} s`;
}

/** Puts what stands in the markup below `root` into the page's language. */
export function translate(root: Node): void {
  if (language === 'en') return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node instanceof CharacterData) node.data = node.data.replace(/\S(?:.*\S)?/s, inOurs);
    else if (node instanceof HTMLTemplateElement) translate(node.content);
    else for (const name of ATTRIBUTES) replace(node as Element, name);
  }
}

function replace(element: Element, name: string) {
  const text = element.getAttribute(name);
  if (text) element.setAttribute(name, inOurs(text));
}

/** What has no translation is the same in all languages: names, and code. */
function inOurs(text: string): string {
  return (zh as Record<string, string>)[text.replace(/\s+/g, ' ')] ?? text;
}
