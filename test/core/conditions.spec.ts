import fc from 'fast-check';
import {
  checkReadConditions,
  checkWriteConditions,
  parseReadConditions,
  parseWriteConditions,
  type WriteConditions,
} from '../../lib/core/conditions.js';
import {
  StorageFileExistsError,
  StorageInvalidArgumentError,
  StorageNotModifiedError,
  StoragePreconditionFailedError,
} from '../../lib/core/errors.js';

const time = new Date('2026-03-04T05:06:07.890Z');
const file = { etag: '"a"', lastModified: time };
const seconds = (count: number): Date => new Date(time.getTime() + count * 1000);

function thrownBy(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as Error).constructor;
  }
}

describe('checkReadConditions', () => {
  it('judges in the order of RFC 9110: ifMatch or ifUnmodifiedSince, then ifNoneMatch or ifModifiedSince', () => {
    const etag = fc.option(fc.constantFrom('"a"', '"b"', '*'), { nil: undefined });
    const date = fc.option(fc.constantFrom(seconds(-1), seconds(0), seconds(1)), {
      nil: undefined,
    });
    fc.assert(
      fc.property(etag, etag, date, date, (ifMatch, ifNoneMatch, since, unmodified) => {
        const matches = (value: string): boolean => value === '*' || value === file.etag;
        const changedAfter = (value: Date): boolean =>
          Math.floor(value.getTime() / 1000) < Math.floor(time.getTime() / 1000);
        let expected: unknown;
        if (ifMatch === undefined ? unmodified && changedAfter(unmodified) : !matches(ifMatch)) {
          expected = StoragePreconditionFailedError;
        } else if (
          ifNoneMatch === undefined ? since && !changedAfter(since) : matches(ifNoneMatch)
        ) {
          expected = StorageNotModifiedError;
        }
        const check = (): void =>
          checkReadConditions(
            file,
            parseReadConditions({
              ...(ifMatch !== undefined && { ifMatch }),
              ...(ifNoneMatch !== undefined && { ifNoneMatch }),
              ...(since && { ifModifiedSince: since }),
              ...(unmodified && { ifUnmodifiedSince: unmodified }),
            }),
          );
        expect(thrownBy(check)).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('compares times in seconds, as HTTP dates have them', () => {
    const asHeader = new Date(time.toUTCString());
    expect(() => checkReadConditions(file, { ifUnmodifiedSince: asHeader })).not.toThrow();
    expect(() => checkReadConditions(file, { ifModifiedSince: asHeader })).toThrow(
      StorageNotModifiedError,
    );
  });

  it('never says of a file without a time that it is unchanged', () => {
    const timeless = { etag: '"a"' };
    expect(() => checkReadConditions(timeless, { ifModifiedSince: time })).not.toThrow();
    expect(() => checkReadConditions(timeless, { ifUnmodifiedSince: time })).toThrow(
      StoragePreconditionFailedError,
    );
  });

  it('does not match an etag of a file that has none', () => {
    expect(() => checkReadConditions({}, { ifMatch: '"a"' })).toThrow(
      StoragePreconditionFailedError,
    );
    expect(() => checkReadConditions({}, { ifNoneMatch: '"a"' })).not.toThrow();
  });
});

describe('checkWriteConditions', () => {
  it('creates only where nothing is', () => {
    expect(() => checkWriteConditions(undefined, { ifNoneMatch: '*' })).not.toThrow();
    expect(() => checkWriteConditions(file, { ifNoneMatch: '*' })).toThrow(StorageFileExistsError);
  });

  it('replaces only the version that is named, or any with *', () => {
    expect(() => checkWriteConditions(file, { ifMatch: '"a"' })).not.toThrow();
    expect(() => checkWriteConditions(file, { ifMatch: '*' })).not.toThrow();
    for (const current of [undefined, { etag: '"b"' }, {}]) {
      expect(() => checkWriteConditions(current, { ifMatch: '"a"' })).toThrow(
        StoragePreconditionFailedError,
      );
    }
    expect(() => checkWriteConditions(undefined, { ifMatch: '*' })).toThrow(
      StoragePreconditionFailedError,
    );
  });

  it('lets through what has no conditions', () => {
    expect(() => checkWriteConditions(file, {})).not.toThrow();
  });
});

describe('parsing conditions', () => {
  it.each(['a', 'W/"a"', '"a', '"a"b"', '', '"a\n"', '"ü€"'])('refuses the etag %j', (etag) => {
    expect(() => parseReadConditions({ ifMatch: etag })).toThrow(StorageInvalidArgumentError);
    expect(() => parseReadConditions({ ifNoneMatch: etag })).toThrow(StorageInvalidArgumentError);
    expect(() => parseWriteConditions({ ifMatch: etag })).toThrow(StorageInvalidArgumentError);
  });

  it.each([[new Date(Number.NaN)], [5], ['2026-03-04'], [null]])('refuses the time %p', (date) => {
    for (const name of ['ifModifiedSince', 'ifUnmodifiedSince']) {
      const parse = (): unknown => parseReadConditions({ [name]: date });
      expect(parse).toThrow(StorageInvalidArgumentError);
      expect(parse).toThrow(name);
    }
  });

  it('takes every strong etag', () => {
    for (const ifMatch of ['""', '"!#~"', '"\x80\xFF"', '*']) {
      expect(parseReadConditions({ ifMatch })).toEqual({ ifMatch });
    }
  });

  it('refuses a condition of a write that contradicts itself', () => {
    expect(() => parseWriteConditions({ ifMatch: '"a"', ifNoneMatch: '*' })).toThrow(
      /exclude each other/,
    );
    expect(() =>
      parseWriteConditions({ ifNoneMatch: '"a"' } as unknown as WriteConditions),
    ).toThrow(StorageInvalidArgumentError);
  });

  it('keeps only conditions', () => {
    const given = { ifMatch: '"a"', signal: 1, range: 2 };
    expect(parseReadConditions(given)).toEqual({ ifMatch: '"a"' });
    expect(parseWriteConditions(given)).toEqual({ ifMatch: '"a"' });
  });
});
