import { assertOptions } from '../core/arguments.js';
import type { StorageName } from '../core/storage-names.js';
import { assertCount, parseByteSize, parseMilliseconds } from '../core/units.js';
import {
  type ParsedUploadOptions,
  parseUploadOptions,
  type UploadInterceptorOptions,
  type UploadOptions,
} from './upload-options.js';

/** A field with files, how many it may have, and options of its own, which go before those of the interceptor. */
export interface UploadField<Request = unknown> extends UploadOptions<Request> {
  name: string;
  /** Default: as many as `maxFiles` allows. */
  maxCount?: number;
}

/** What an interceptor says of its form beside the options. */
export interface FormOutline<Request> {
  /** The fields that may have files; absent: not told one by one. */
  readonly uploadFields?: readonly UploadField<Request>[];
  /** The field of the one file of the form, where there is only one. */
  readonly onlyFile?: string;
  /** Files that the form has at most, where that is known. */
  readonly expectedFiles?: number;
  /** Default of `maxFiles`; absent: as the fields have it. */
  readonly defaultMaxFiles?: number;
}

/** Sizes are bytes, times milliseconds. */
export interface FormLimits {
  /** Of the largest file of any field. */
  readonly maxSize: number;
  readonly maxFiles: number;
  readonly maxFields: number;
  readonly maxFieldSize: number;
  readonly maxTotalSize: number;
  /** The field whose file is too large when the form is: there is no other one, and `maxTotalSize` follows from its limit. */
  readonly onlyFile: string | undefined;
  /** Bytes per second; 0 is no limit. */
  readonly minRate: number;
  readonly minRateWindow: number;
  readonly timeout: number | undefined;
}

/** Where and how the files of a field are stored. */
export interface FieldPlan {
  /** Name of the storage; `undefined` is the default one. */
  readonly storage: StorageName | undefined;
  readonly options: ParsedUploadOptions;
}

/** What a form is held to, and what becomes of its files. */
export interface UploadPlan {
  readonly limits: FormLimits;
  readonly fields: ReadonlyMap<string, FieldPlan>;
  /** For the files of fields that are not told one by one. */
  readonly others: FieldPlan;
}

/** Bytes that the head of a part takes, usually. */
const PART_HEADERS = 1024;

type FormOption = Exclude<keyof UploadInterceptorOptions, keyof UploadOptions>;

const FORM_OPTIONS: Readonly<Record<FormOption, true>> = {
  maxFiles: true,
  maxFields: true,
  maxFieldSize: true,
  maxTotalSize: true,
  minRate: true,
  minRateWindow: true,
  timeout: true,
};

const DEFAULT_MAX_FILES = 10;

/** As many as the fields may have, where each tells; the usual number, or more where those that tell may have more. */
function mostFiles(uploadFields: readonly Pick<UploadField, 'maxCount'>[] = []): number {
  const counts = uploadFields.flatMap(({ maxCount }) => maxCount ?? []);
  const told = counts.reduce((sum, count) => sum + count, 0);
  const isAll = counts.length > 0 && counts.length === uploadFields.length;
  return isAll ? told : Math.max(told, DEFAULT_MAX_FILES);
}

/** @throws StorageInvalidArgumentError naming the option */
export function planUploads<Request>(
  options: UploadInterceptorOptions<Request>,
  {
    uploadFields,
    onlyFile,
    expectedFiles = Infinity,
    defaultMaxFiles = mostFiles(uploadFields),
  }: FormOutline<Request> = {},
): UploadPlan {
  assertOptions(options);
  const {
    maxFiles = defaultMaxFiles,
    maxFields = 100,
    maxFieldSize = '1mb',
    maxTotalSize,
    minRate = '1kb',
    minRateWindow = '30s',
    timeout,
    ...upload
  } = options;
  const others = planField(upload, Object.keys(FORM_OPTIONS));
  const fields = new Map<string, FieldPlan>();
  const files = assertCount(maxFiles, 'maxFiles');
  let bytes = uploadFields ? 0 : Math.min(files, expectedFiles) * others.options.maxSize;
  for (const { name, maxCount = files, ...own } of uploadFields ?? []) {
    const given = Object.fromEntries(
      Object.entries(own).filter(([, value]) => value !== undefined),
    );
    // What is undefined gives no check of the interceptor away; the name of it is looked at all the same.
    const field = planField({ ...own, ...upload, ...given });
    fields.set(name, field);
    bytes += Math.min(files, maxCount) * field.options.maxSize;
  }
  const sizes = [...fields.values()].map((field) => field.options.maxSize);
  const maxSize = uploadFields ? Math.max(0, ...sizes) : others.options.maxSize;
  const textFields = assertCount(maxFields, 'maxFields');
  const fieldSize = parseByteSize(maxFieldSize, 'maxFieldSize');
  const room = Math.min(textFields, 4) * fieldSize + PART_HEADERS * (files + textFields);
  return {
    others,
    fields,
    limits: {
      maxSize,
      maxFiles: files,
      maxFields: textFields,
      maxFieldSize: fieldSize,
      maxTotalSize:
        maxTotalSize === undefined
          ? Math.min(bytes, files * maxSize) + room
          : parseByteSize(maxTotalSize, 'maxTotalSize'),
      onlyFile: maxTotalSize === undefined ? onlyFile : undefined,
      minRate: parseByteSize(minRate, 'minRate'),
      minRateWindow: parseMilliseconds(minRateWindow, 'minRateWindow'),
      timeout: timeout === undefined ? undefined : parseMilliseconds(timeout, 'timeout'),
    },
  };
}

/** The names of all storages that the plan needs. */
export function storagesOf({ fields, others }: UploadPlan): Set<StorageName | undefined> {
  // Where the fields are told one by one, no other file is stored.
  const plans = fields.size > 0 ? [...fields.values()] : [others];
  return new Set(plans.map(({ storage }) => storage));
}

/** @param known options that are taken beside those of a file, for who has misspelt one */
function planField<Request>(
  upload: UploadOptions<Request>,
  known: readonly string[] = [],
): FieldPlan {
  return { storage: upload.storage, options: parseUploadOptions(upload, known) };
}
