// HTML as values: text is escaped where it is put in, markup is not.

/** A piece of HTML that is well-formed on its own. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template: texts and numbers are escaped, markup stays, nothing is nothing. */
export type Content = string | number | Markup | null | undefined | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

function rendered(content: Content): string {
  if (content === null || content === undefined) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string' || typeof content === 'number')
    return escapeText(String(content));
  return content.map(rendered).join('');
}

/** A template of HTML: html`<b>${name}</b>`. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(
    strings.reduce((text, part, index) => text + rendered(values[index - 1]) + part),
  );
}
