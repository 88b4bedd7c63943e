import { register } from 'node:module';

register('../conformance/node-test/typescript-loader.js', import.meta.url);
if (process.env['NEST'] === '11') register('./nest-11-loader.js', import.meta.url);
