import { isHooked, markHooked, replaceMethod } from '../client-hook.js'
import { at } from './named.js'

/** The prototype of an exported class, at a path of the exports; `undefined` when there is no such class. */
export function prototypeAt(exports: unknown, ...path: readonly string[]): object | undefined {
  const prototype = at(exports, [...path, 'prototype'])
  return typeof prototype === 'object' && prototype !== null ? prototype : undefined
}

/** The prototype of the object under `path`. */
export function prototypeOf(from: unknown, ...path: readonly string[]): object | undefined {
  const found = at(from, path)
  if (typeof found !== 'object' || found === null) return undefined
  return (Object.getPrototypeOf(found) as object | null) ?? undefined
}

/** Whether an object, or what it inherits from, is hooked. */
export function isHookedAnywhere(target: object): boolean {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (isHooked(at)) return true
  }
  return false
}

/** Those of `names` that a target has as methods. */
export function methodsOf(target: object, names: readonly string[]): readonly string[] {
  return names.filter((name) => typeof at(target, [name]) === 'function')
}

/** What runs in the place of a method. `call` is the method that was there. */
export type HookedCall = (
  call: (args: readonly unknown[]) => unknown,
  self: object,
  args: readonly unknown[],
) => unknown

/** Hooks the methods that a target has, once. @returns their names */
export function hookMethods(
  target: object,
  names: readonly string[],
  hooked: (name: string) => HookedCall,
): readonly string[] {
  const present = methodsOf(target, names)
  if (present.length === 0 || isHooked(target)) return present
  markHooked(target)
  for (const name of present) {
    const run = hooked(name)
    replaceMethod(
      target,
      name,
      (original) =>
        function method(this: object, ...args: unknown[]): unknown {
          const call = (given: readonly unknown[]): unknown =>
            Reflect.apply(original as (...args: unknown[]) => unknown, this, given)
          return run(call, this, args)
        },
    )
  }
  return present
}
