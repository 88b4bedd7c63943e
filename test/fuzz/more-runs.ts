import fc from 'fast-check';

// For the properties that stand beside other tests.
fc.configureGlobal({ numRuns: Number(process.env['FUZZ_RUNS']) });
