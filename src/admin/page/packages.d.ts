// Types of the two packages that the page uses as the browser finds them: uPlot is a script that sets a global, lit-html's
// modules are served under lit/ (page.ts). Nothing here runs.

declare module '*/lit/lit-html.js' {
  export * from 'lit-html';
}

declare module '*/lit/directives/repeat.js' {
  export * from 'lit-html/directives/repeat.js';
}

declare const uPlot: typeof import('uplot');
