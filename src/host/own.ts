// Of the room's invariant: what somebody puts on `Object.prototype` is in every object, and was said by no caller of ours.

const SHARED = Object.prototype

/** Whether an object has a key only because `Object.prototype` has it. */
export function isShared(object: object, key: PropertyKey): boolean {
  for (
    let at: object | null = object;
    at !== null && at !== SHARED;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    if (Object.hasOwn(at, key)) return false
  }
  return key in SHARED
}

/**
 * The same object without what it has from `Object.prototype`: what it has itself, and from its classes, in one that has
 * no prototype. Reads each property once.
 */
export function unshared<T>(given: T): T {
  if (typeof given !== 'object' || given === null) return given
  const copy = Object.create(null) as Record<PropertyKey, unknown>
  for (
    let at: object | null = given;
    at !== null && at !== SHARED;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    for (const key of Reflect.ownKeys(at)) {
      if (key === 'constructor' || Object.hasOwn(copy, key)) continue
      const enumerable = Object.getOwnPropertyDescriptor(at, key)?.enumerable ?? false
      const value: unknown = Reflect.get(given, key)
      Object.defineProperty(copy, key, { value, enumerable, configurable: true, writable: true })
    }
  }
  return copy as T
}

/**
 * Options of an object that is made once: as they were given, where nothing was put on `Object.prototype`. That is so as
 * long as it has only the properties that the language gives it.
 */
export function givenOptions<T>(given: T): T {
  return Reflect.ownKeys(SHARED).every((key) => LANGUAGE.has(key)) ? given : unshared(given)
}

const LANGUAGE: ReadonlySet<PropertyKey> = new Set([
  'constructor',
  '__defineGetter__',
  '__defineSetter__',
  'hasOwnProperty',
  '__lookupGetter__',
  '__lookupSetter__',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'toString',
  'valueOf',
  '__proto__',
  'toLocaleString',
])
