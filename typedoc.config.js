import { OptionDefaults } from 'typedoc';
import { contents } from './docs/site/contents.js';

/** `npm run docs`: the pages, in the order of docs/README.md, and the reference of what the package exports. */
/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'nestjs-storages',
  plugin: ['./docs/site/named-pages.js'],
  entryPoints: [
    'lib/index.ts',
    'lib/testing/index.ts',
    'lib/tus/index.ts',
    'lib/opentelemetry/index.ts',
  ],
  tsconfig: 'tsconfig.build.json',
  projectDocuments: ['docs/README.md', ...contents.map(({ page }) => page)],
  out: 'dist-docs',
  customCss: 'docs/site/narrow.css',
  // The repository has no address that links to its lines could begin with.
  disableSources: true,
  excludePrivate: true,
  excludeInternal: true,
  excludeExternals: true,
  highlightLanguages: [...OptionDefaults.highlightLanguages, 'mjs', 'nginx', 'python'],
  navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
  categorizeByGroup: false,
  categoryOrder: [...new Set(contents.map(({ chapter }) => chapter)), 'API reference', '*'],
  headings: { readme: false, document: false },
  // Pages are found by what they say, and not by their headings alone.
  searchInDocuments: true,
  // Names for a part of a signature, which say nothing that the signature does not.
  intentionallyNotExported: [
    'lib/core/driver-source.ts:DriverSource',
    'lib/core/storage-view.ts:StorageView',
    'lib/core/storage.ts:ClientOf',
    'lib/core/stored-file.ts:Loose',
    'lib/drivers/azure/azure.options.ts:AbortSignalLike',
    'lib/drivers/driver-options.ts:DriverChoice',
    'lib/drivers/open-storage.ts:ConfigurationWith',
    'lib/interfaces/storage-module-options.interface.ts:ConfigurationOf',
    'lib/testing/gcs-server/attributes.ts:TextAttribute',
    'lib/testing/gcs-server/client-options.ts:GcsRequestAdapter',
    'lib/uploads/storage.engine.ts:RemovedCallback',
    'lib/uploads/storage.engine.ts:StoredCallback',
  ],
  validation: {
    notExported: true,
    invalidLink: true,
    invalidPath: true,
    unusedMergeModuleWith: true,
  },
  treatWarningsAsErrors: true,
};
