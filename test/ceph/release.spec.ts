import { releaseOf } from './release.js';

it.each([
  ['ceph version 16.2.15 (618f440892089921c3e944a991122ddc44e60516) pacific (stable)\n', '16.2'],
  ['ceph version 19.2.3 (a hash) squid (stable)\n', '19.2'],
  ['ceph version 19.2.0-0ubuntu0.24.04.1 (a hash) squid (stable)\n', '19.2'],
  ['ceph version 16.20.1 (a hash) none (dev)\n', '16.20'],
  ['ceph version Development (no_version) squid (stable)\n', undefined],
  ['radosgw: 16.2.15\n', undefined],
])('what radosgw says, %j, is of release %s', (version, release) => {
  expect(releaseOf(version)).toBe(release);
});
