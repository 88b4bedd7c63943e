// A test runner for Stryker: its own for Jest, which loads every test file for each mutant, though most have no test that
// comes by. This one loads those that have, the quickest first, and no more after one that has noticed. Loading is what takes
// the time: ES modules under Jest are linked anew for each file.
import { readFileSync, writeFileSync } from 'node:fs';
import { MutantRunStatus } from '@stryker-mutator/api/test-runner';
import {
  declareFactoryPlugin,
  PluginKind,
  tokens,
  commonTokens,
} from '@stryker-mutator/api/plugin';
import { strykerPlugins as jestPlugins } from '@stryker-mutator/jest-runner';
import { keyOf } from './sample.js';

/** In the sandbox, where the worker that runs all tests first leaves it to the others. */
const TEST_FILES = 'mutation-test-files.json';

const [{ factory: createJestRunner }] = jestPlugins;

export { strykerValidationSchema } from '@stryker-mutator/jest-runner';

class RunnerByFile {
  #jest;
  #sample;
  #testFiles;
  #now;

  constructor(jest, sample) {
    this.#jest = jest;
    this.#sample = new Set(sample);
    const run = jest.run.bind(jest);
    // Stryker's own hands Jest the names of tests, not their files.
    jest.run = (settings) => run(this.#now ? { ...settings, testFiles: [this.#now] } : settings);
  }

  init() {
    return this.#jest.init();
  }

  capabilities() {
    return this.#jest.capabilities();
  }

  async dryRun(options) {
    const result = await this.#jest.dryRun(options);
    if (result.tests) writeFileSync(TEST_FILES, JSON.stringify(result.tests));
    return result;
  }

  async mutantRun(options) {
    // Neither is counted: what lies within one of the sample, so that Stryker made it too, and what runs as a module is loaded, for
    // which Stryker asks for a fresh environment.
    if (options.reloadEnvironment || !this.#sample.has(keyOf(options.activeMutant))) {
      return { status: MutantRunStatus.Survived, nrOfTests: 0 };
    }
    let nrOfTests = 0;
    for (const [file, testFilter] of this.#filesOf(options.testFilter)) {
      this.#now = file;
      const result = await this.#jest.mutantRun({ ...options, testFilter });
      nrOfTests += result.nrOfTests ?? 0;
      if (result.status !== MutantRunStatus.Survived) return { ...result, nrOfTests };
    }
    return { status: MutantRunStatus.Survived, nrOfTests };
  }

  /** The files of these tests, or of all, with the tests of each; the quickest first. */
  #filesOf(testFilter) {
    this.#testFiles ??= JSON.parse(readFileSync(TEST_FILES, 'utf8'));
    const wanted = testFilter && new Set(testFilter);
    const files = new Map();
    for (const { id, fileName, timeSpentMs } of this.#testFiles) {
      if (wanted && !wanted.has(id)) continue;
      const file = files.get(fileName) ?? { ids: [], time: 0 };
      file.ids.push(id);
      file.time += timeSpentMs;
      files.set(fileName, file);
    }
    return [...files]
      .sort(([, one], [, other]) => one.time - other.time)
      .map(([name, { ids }]) => [name, wanted && ids]);
  }
}

createRunner.inject = tokens(commonTokens.injector, commonTokens.options);
function createRunner(injector, options) {
  return new RunnerByFile(injector.injectFunction(createJestRunner), options.sample);
}

export const strykerPlugins = [
  declareFactoryPlugin(PluginKind.TestRunner, 'jest-by-file', createRunner),
];
