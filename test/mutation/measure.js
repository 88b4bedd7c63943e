import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { keyOf, keyOfResult, mutantsOf, sampleOf } from './sample.js';

/** What the sandbox needs none of. Without them there is less to copy, for each part. */
const ELSEWHERE = ['bench', 'docs', '**/dist', 'dist-docs', 'coverage', 'var', 'test/nest-11'];

/**
 * Changes these files, and runs the tests. Not counted are changes of what runs as a module is loaded: for these Stryker knows not all
 * tests that come by, and would run every one.
 */
export async function measure(files, part, { size, seed }) {
  const all = await mutantsOf(files);
  const sample = sampleOf(all, size, seed);
  const wanted = new Set(sample.map(keyOf));
  const started = performance.now();
  const results = await new Stryker(
    optionsOf(sample, sample.length < all.length, part),
  ).runMutationTest();
  const seconds = (performance.now() - started) / 1000;
  const tried = results.filter((mutant) => wanted.has(keyOfResult(mutant)));
  const counted = tried.filter((mutant) => !mutant.static);
  const count = (...statuses) => counted.filter(({ status }) => statuses.includes(status)).length;
  const noticed = count('Killed', 'Timeout');
  const missed = count('Survived', 'NoCoverage');
  return {
    mutants: all.length,
    tried: tried.length,
    killed: count('Killed'),
    timeouts: count('Timeout'),
    survived: count('Survived'),
    'no coverage': count('NoCoverage'),
    'not counted': tried.length - noticed - missed,
    'score %': Number(((100 * noticed) / (noticed + missed)).toFixed(1)),
    'seconds each': Number((seconds / tried.length).toFixed(1)),
  };
}

function optionsOf(sample, sampled, { sources, tests, without = [] }) {
  const folders = tests.map((path) => path.replace(/\/[^/]+\.ts$/, ''));
  return {
    mutate: sampled ? sample.map(rangeOf) : [`${sources}/**/*.ts`],
    plugins: ['runner.js', 'reporter.js'].map((name) => join(import.meta.dirname, name)),
    testRunner: 'jest-by-file',
    testRunnerNodeArgs: ['--experimental-vm-modules'],
    sample: sample.map(keyOf),
    jest: {
      configFile: 'test/mutation/jest.config.js',
      enableFindRelatedTests: false,
      config: {
        roots: [...new Set(folders)].map((folder) => `<rootDir>/${folder}`),
        testRegex: tests.map((path) => `/${path}${path.endsWith('.ts') ? '' : '/.*spec\\.ts'}$`),
        testPathIgnorePatterns: without.map((path) => `/${path}`),
      },
    },
    coverageAnalysis: 'perTest',
    ignoreStatic: true,
    concurrency: availableParallelism(),
    // Modules of a test file that ran as ES modules are never freed.
    maxTestRunnerReuse: 40,
    timeoutMS: 60_000,
    // All tests once, by one process: minutes on an idle machine, an hour on a busy one.
    dryRunTimeoutMinutes: 120,
    ignorePatterns: ELSEWHERE,
    // Below what Git, Prettier and Jest leave out.
    tempDirName: 'var/mutation',
    reporters: ['unnoticed'],
    logLevel: 'warn',
    warnings: false,
    allowConsoleColors: false,
  };
}

/** As Stryker takes it: lines from one, columns from zero. */
function rangeOf({ fileName, location: { start, end } }) {
  return `${fileName}:${start.line + 1}:${start.column}-${end.line + 1}:${end.column}`;
}
