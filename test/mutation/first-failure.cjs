const { TestEnvironment } = require('jest-environment-node');

/** Leaves out the tests of a file after the first that fails: one is enough to notice a change. */
module.exports = class extends TestEnvironment {
  #failed = false;

  handleTestEvent({ name, test }) {
    if (name === 'test_fn_failure' || name === 'hook_failure') this.#failed = true;
    else if (name === 'test_start' && this.#failed) test.mode = 'skip';
  }
};
