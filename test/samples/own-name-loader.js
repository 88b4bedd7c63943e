const sources = new Map([
  ['nestjs-storages', '../../lib/index.ts'],
  ['nestjs-storages/testing', '../../lib/testing/index.ts'],
]);

export async function resolve(specifier, context, next) {
  const source = sources.get(specifier);
  return next(source === undefined ? specifier : new URL(source, import.meta.url).href, context);
}
