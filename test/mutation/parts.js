/**
 * What is changed, and the tests that have to notice: those of its own trade, and the conformance kit where it is judged by that.
 * Paths are below the root; a source is a folder of `lib`, tests are folders or files.
 */
export const parts = {
  core: { sources: 'lib/core', tests: ['test/core', 'test/conformance/memory.spec.ts'] },
  serving: {
    sources: 'lib/serving',
    tests: ['test/serving', 'test/conformance/memory-routes.spec.ts'],
    // A gigabyte each time, and servers that are not this one.
    without: ['test/serving/large-files', 'test/serving/nginx'],
  },
  uploads: {
    sources: 'lib/uploads',
    // The descriptions of forms are judged by those who read them.
    tests: ['test/uploads', 'test/swagger/api-upload.spec.ts'],
    without: ['test/uploads/large'],
  },
  memory: driver('memory'),
  local: driver('local'),
  s3: driver('s3'),
  gcs: driver('gcs'),
  azure: driver('azure'),
};

function driver(name) {
  return {
    sources: `lib/drivers/${name}`,
    tests: [`test/drivers/${name}`, `test/conformance/${name}.spec.ts`],
  };
}
