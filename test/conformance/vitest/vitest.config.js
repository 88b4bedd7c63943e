// As in jest.config.js: only what hangs comes to it.
const timeout = 240_000;

export default {
  root: import.meta.dirname,
  // The kit takes the global functions, unless it is given others.
  test: {
    globals: true,
    include: ['*.ts'],
    reporters: ['json'],
    testTimeout: timeout,
    hookTimeout: timeout,
    teardownTimeout: timeout,
  },
};
