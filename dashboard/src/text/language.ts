// The choice of the page's language, and the translation of its markup.

import { type Language, language, tIfKnown } from './index.ts';

const KEY = 'tricast.language';
const ATTRIBUTES = ['title', 'placeholder', 'aria-label', 'data-empty'];

/** Returns the language that the user has chosen, else that of the browser. */
export function preferredLanguage(): Language {
  const browser = navigator.language.startsWith('zh') ? 'zh' : 'en';
  return languageOf(localStorage.getItem(KEY)) ?? browser;
}

function languageOf(name: string | null): Language | null {
  return name === 'en' || name === 'zh' ? name : null;
}

/** Saves the choice and reloads the page in that language. */
export function chooseLanguage(name: string): void {
  localStorage.setItem(KEY, languageOf(name) ?? 'en');
  location.reload();
}

/** Translates the markup below `root` into the language of the page. */
export function translateMarkup(root: Node): void {
  if (language === 'en') return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node instanceof CharacterData) node.data = node.data.replace(/\S(?:.*\S)?/s, translate);
    else if (node instanceof HTMLTemplateElement) translateMarkup(node.content);
    else for (const name of ATTRIBUTES) translateAttribute(node as Element, name);
  }
}

function translateAttribute(element: Element, name: string) {
  const text = element.getAttribute(name);
  if (text) element.setAttribute(name, translate(text));
}

/** Names and code have no translation: they are the same in all languages. */
function translate(text: string): string {
  return tIfKnown(text.replace(/\s+/g, ' '));
}
