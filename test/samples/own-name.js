import { register } from 'node:module';

// For tests outside of Jest: TypeScript, and the package by its own name as its sources.
register('../conformance/node-test/typescript-loader.js', import.meta.url);
register('./own-name-loader.js', import.meta.url);
