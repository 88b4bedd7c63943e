/** `true` when the types are the same, `any` being the same as `any` only. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Does not compile unless the types are the same. */
export function expectType<Expected>() {
  return <Given>(_given: Given, _same: Equal<Given, Expected>): void => undefined;
}
