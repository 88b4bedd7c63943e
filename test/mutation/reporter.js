// Prints what no test notices as it is found, since a part takes long.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin';
import { keyOfResult } from './sample.js';

class Unnoticed {
  static inject = tokens(commonTokens.options);
  #sample;
  #tested = 0;

  constructor({ sample }) {
    this.#sample = new Set(sample);
  }

  onMutantTested(mutant) {
    if (!this.#sample.has(keyOfResult(mutant))) return;
    this.#tested++;
    if (this.#tested % 20 === 0) console.log(`  … ${this.#tested} of ${this.#sample.size}`);
    if (mutant.static) return;
    if (mutant.status !== 'Survived' && mutant.status !== 'NoCoverage') return;
    const { fileName, location, replacement } = mutant;
    const { start, end } = location;
    const lines = readFileSync(fileName, 'utf8')
      .split('\n')
      .slice(start.line - 1, end.line);
    const more = lines.length > 1;
    const before = more ? `${lines[0]} …` : lines[0].slice(start.column - 1, end.column - 1);
    const outcome = mutant.status === 'Survived' ? 'survived' : 'no test ';
    console.log(`  ${outcome} ${relative('', fileName)}:${start.line}`);
    console.log(`    - ${before.trim()}\n    + ${replacement.replaceAll(/\s+/g, ' ')}`);
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Reporter, 'unnoticed', Unnoticed)];
