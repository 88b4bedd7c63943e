import type { Type } from '@nestjs/common';
import { PARAMTYPES_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';

/** What the `@Body()` parameters of a handler say of its text fields. */
export interface DescribedTextFields {
  /** OpenAPI schemas of those that are parameters of their own. */
  readonly properties: Readonly<Record<string, object>>;
  readonly required: readonly string[];
  /** Classes that have the others. */
  readonly models: readonly Type[];
}

/** `RouteParamtypes.BODY`, which Nest does not export. */
const BODY = 3;

const PRIMITIVES = new Map<unknown, string>([
  [String, 'string'],
  [Number, 'number'],
  [Boolean, 'boolean'],
]);

export function describedTextFields(prototype: object, name: string): DescribedTextFields {
  const types = (Reflect.getMetadata(PARAMTYPES_METADATA, prototype, name) ?? []) as unknown[];
  const parameters = (Reflect.getMetadata(ROUTE_ARGS_METADATA, prototype.constructor, name) ??
    {}) as Record<string, { index: number; data?: unknown }>;
  const properties: Record<string, object> = {};
  const models: Type[] = [];
  const inOrder = Object.entries(parameters).sort(([, a], [, b]) => a.index - b.index);
  for (const [kind, { index, data }] of inOrder) {
    if (Number(kind.split(':')[0]) !== BODY) continue;
    const type = types[index];
    if (typeof data === 'string') properties[data] = { type: PRIMITIVES.get(type) ?? 'string' };
    else if (isModel(type)) models.push(type);
  }
  return { properties, required: Object.keys(properties), models };
}

/** Interfaces and unions are `Object` at run time, and say nothing. */
function isModel(type: unknown): type is Type {
  return typeof type === 'function' && type !== Object && type !== Array && !PRIMITIVES.has(type);
}
