import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { project } from './jest.config.js';

// `npm run test:ceph`: the s3 driver, and the S3 server of nestjs-storages/testing, next to a real Ceph radosgw.
const missing = ['ceph-mon', 'ceph-osd', 'ceph', 'radosgw', 'radosgw-admin'].filter(
  (program) => !isInstalled(program),
);
if (missing.length > 0) {
  process.stderr.write(
    `Skipped: ${missing.join(', ')} not found; install radosgw, ceph-mon, ceph-osd and ceph-common, packages of Debian and Ubuntu.\n`,
  );
}

function isInstalled(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @type {import('jest').Config} */
export default {
  ...project,
  roots: ['<rootDir>/test/ceph'],
  testRegex: '\\.ceph-spec\\.ts$',
  testTimeout: 240_000,
  globals: { RADOSGW_INSTALLED: missing.length === 0 },
};
