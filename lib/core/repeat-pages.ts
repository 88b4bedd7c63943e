import type { Operation } from './operations.js';
import type { DriverListOptions, ListPage } from './storage-driver.js';
import type { StorageView } from './storage-view.js';

/** The driver's pages of a listing; one that fails is asked for again by the cursor of the page before. */
export function listPages(
  view: StorageView,
  asked: DriverListOptions,
  operation: Operation,
): AsyncGenerator<ListPage, void> {
  const from = (options: DriverListOptions) => () => view.driver.list(options);
  return repeatPages(operation, from(asked), ({ cursor }) =>
    cursor === undefined ? undefined : from({ ...asked, cursor }),
  );
}

/**
 * Pages, one after the other. Where one fails, the iteration begins anew with it, as often as the storage's retry options say.
 *
 * @param behind how to begin with what follows a page, if there is a way
 */
export async function* repeatPages<Page>(
  operation: Operation,
  first: () => AsyncIterable<Page>,
  behind: (page: Page) => (() => AsyncIterable<Page>) | undefined = () => undefined,
): AsyncGenerator<Page, void> {
  let begin: (() => AsyncIterable<Page>) | undefined = first;
  let pages: AsyncIterator<Page> | undefined;
  const next = async (): Promise<IteratorResult<Page>> => {
    pages ??= begin!()[Symbol.asyncIterator]();
    try {
      return await pages.next();
    } catch (error) {
      // It has ended: asked once more, it would pass for a listing that is complete.
      pages = undefined;
      throw error;
    }
  };
  try {
    for (;;) {
      const { done, value } = await (begin ? operation.repeat(next) : next());
      if (done) return;
      yield value;
      begin = behind(value);
    }
  } finally {
    await pages?.return?.();
  }
}
