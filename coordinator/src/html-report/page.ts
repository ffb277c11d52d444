// The page of a report: head, contents, sections, all in one file that needs no network.
import { VERSION } from '../version.js';
import { html, Markup } from './markup.js';
import type { Anchored } from './run-section.js';
import { STYLE } from './style.js';

function contents(sections: readonly Anchored[]): Markup {
  const entries = sections.map(
    ({ id, name, parts }) => html`<li><a href="#${id}">${name}</a>
<ul>${parts.map((part) => html`<li><a href="#${part.id}">${part.name}</a></li>`)}</ul></li>
`,
  );
  return html`<nav aria-label="contents"><ul>
${entries}</ul></nav>`;
}

/** The whole document as text. */
export function page(title: string, overview: Markup, sections: readonly Anchored[]): string {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="kronlens ${VERSION}">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p class="muted">Curvature of trained networks, layer by layer: H is the exact curvature block of a layer's weight, E[xxᵀ] its input autocorrelation, E[M] its output Hessian. All numbers are in the Arrow files of the result folders.</p>
${contents(sections)}
</header>
<main>
${overview}${sections.map(({ body }) => body)}</main>
<footer>Made by kronlens ${VERSION}.</footer>
</body>
</html>
`;
  return document.text;
}
