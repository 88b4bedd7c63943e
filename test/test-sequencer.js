import Sequencer from '@jest/test-sequencer';

/**
 * The longest files first, so that no worker is left with one at the end. Jest knows how long they take only where it has run before, and
 * takes the size of a file for it; those of the kit are short, and run hundreds of tests.
 */
export default class extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    const isOfKit = ({ path }) => /[/\\]test[/\\]conformance[/\\]/.test(path);
    return [...sorted.filter(isOfKit), ...sorted.filter((test) => !isOfKit(test))];
  }
}
