import {
  servedBehaviours,
  shutdownBehaviours,
  storageBehaviours,
} from '../../lib/testing/conformance/index.js';
import { readPage } from './markdown.js';

const text = await readPage('docs/contract.md');
// A sentence of the contract is a list item, and the behaviours that show it are the items below.
const sentences = text.split(/^(?=- )/m).slice(1);

function namedBehaviours(markdown: string): string[] {
  return [...markdown.matchAll(/`([^`]+ › [^`]+)`/g)].map(([, name]) => name!);
}

describe('docs/contract.md', () => {
  test('names only behaviours that the conformance kit has', () => {
    const groups = [...storageBehaviours, shutdownBehaviours, ...servedBehaviours];
    const known = groups.flatMap(({ name: group, behaviours }) =>
      behaviours.map(({ name }) => `${group} › ${name}`),
    );
    const named = namedBehaviours(sentences.join(''));
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
    expect(named.length).toBeGreaterThan(100);
  });

  test('names a behaviour for each of its sentences', () => {
    const bare = sentences.filter((sentence) => namedBehaviours(sentence).length === 0);
    expect(bare).toEqual([]);
    expect(sentences.length).toBeGreaterThan(50);
  });
});
