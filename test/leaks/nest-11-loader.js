const nest11 = new URL('../nest-11/package.json', import.meta.url).href;

// Nest is looked for where the tests have their NestJS 11.
export async function resolve(specifier, context, next) {
  const isNest = /^@nestjs\/(common|core|platform-express|platform-fastify|testing)(\/|$)/.test(
    specifier,
  );
  return next(specifier, isNest ? { ...context, parentURL: nest11 } : context);
}
