/** The release of Ceph that `battery/differences.ts` was measured on. */
export const MEASURED_RELEASE = '16.2';

/** The release in what `radosgw --version` says, such as `16.2`; undefined where it names none. */
export function releaseOf(version: string): string | undefined {
  return /^ceph version (\d+\.\d+)\.\d/.exec(version)?.[1];
}
