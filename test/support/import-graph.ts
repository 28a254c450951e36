import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

export interface Import {
  /** Path of the importing file below the root, with slashes. */
  readonly from: string
  /** Path of the imported file below the root, or the name of a package. */
  readonly to: string
  /** Erased by the compiler. */
  readonly typeOnly: boolean
  /** `import(…)`: loaded when it is reached. */
  readonly dynamic: boolean
}

const STATIC = /^(?:import|export)\s+(type\s)?(?:[\w*{}\s,$]+?\sfrom\s+)?'([^']+)'/gm
const DYNAMIC = /\bimport\('([^']+)'\)/g

/** Every import between the TypeScript files below a folder, and of packages by them. */
export function importsBelow(root: string): readonly Import[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.c?ts$/.test(path),
  )
  return files.flatMap((file) => {
    const from = file.replaceAll('\\', '/')
    const source = readFileSync(join(root, file), 'utf8')
    const target = (specifier: string): string =>
      specifier.startsWith('.')
        ? posix.join(dirname(from), specifier).replace(/\.(c?)js$/, '.$1ts')
        : specifier
    return [
      ...[...source.matchAll(STATIC)].map(([, type, specifier = '']) => ({
        from,
        to: target(specifier),
        typeOnly: type !== undefined,
        dynamic: false,
      })),
      ...[...source.matchAll(DYNAMIC)].map(([, specifier = '']) => ({
        from,
        to: target(specifier),
        typeOnly: false,
        dynamic: true,
      })),
    ]
  })
}

/** Everything that is loaded when `entry` is: files and packages. */
export function loadedBy(entry: string, imports: readonly Import[]): ReadonlySet<string> {
  const loaded = new Set<string>([entry])
  for (const file of loaded) {
    for (const { from, to, typeOnly, dynamic } of imports) {
      if (from === file && !typeOnly && !dynamic) loaded.add(to)
    }
  }
  return loaded
}

/** A circle of files of which each imports the next, types included, if there is one. */
export function cycleIn(imports: readonly Import[]): readonly string[] | undefined {
  const done = new Set<string>()
  const walk = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const { from, to } of imports) {
      const found = from === file ? walk(to, [...path, file]) : undefined
      if (found) return found
    }
    done.add(file)
    return undefined
  }
  for (const { from } of imports) {
    const found = walk(from, [])
    if (found) return found
  }
  return undefined
}
