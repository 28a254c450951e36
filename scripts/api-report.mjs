// The shapes of the public API as one text: what each entry point of package.json exports, and every declaration that
// can be reached from there, sorted, without comments. Made of dist/, so of what a user's compiler sees.
//
// Writes api/public-api.md. With --check it writes nothing, and ends with 1 when the file says something else.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const REPORT = join(ROOT, 'api', 'public-api.md')
const IDENTIFIER = /[A-Za-z_$][\w$]*/g
const DECLARATION =
  /^(?:export )?(?:declare )?(?:abstract )?(?:class|function|const|let|interface|type|enum|namespace) ([\w$]+)/

const modules = new Map()
/** By `<file>#<name>`. */
const reached = new Map()

const report = reportOf(entryPoints())
if (process.argv.includes('--check')) check(report)
else {
  mkdirSync(dirname(REPORT), { recursive: true })
  writeFileSync(REPORT, report)
}

function check(text) {
  const [known, now] = [readReport(), text].map((each) => each.split('\n'))
  const [gone, added] = [difference(known, now), difference(now, known)]
  if (known.join('\n') === now.join('\n')) return
  const shown = [...gone.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`)].slice(0, 20)
  console.error(`the public API changed: if that is meant, run \`npm run api\` and look at the diff\n`)
  console.error(shown.join('\n'))
  process.exitCode = 1
}

function readReport() {
  try {
    return readFileSync(REPORT, 'utf8')
  } catch {
    return ''
  }
}

function difference(lines, others) {
  const known = new Set(others)
  return lines.filter((line) => !known.has(line))
}

/** The types of an entry point, for every condition that has its own. */
function entryPoints() {
  return Object.entries(MANIFEST.exports).flatMap(([path, target]) => {
    const name = path.replace(/^\./, MANIFEST.name)
    if (typeof target === 'string') return []
    if (target.types !== undefined) return [{ name, file: join(ROOT, target.types) }]
    return Object.entries(target).map(([condition, { types }]) => ({
      name: `${name} (${condition})`,
      file: join(ROOT, types),
    }))
  })
}

function reportOf(entries) {
  const sections = entries.map(({ name, file }) => {
    const exported = [...exportsOf(file)].sort(([a], [b]) => compare(a, b))
    const lines = exported.map(([as, target]) => {
      const declared = reach(target.file, target.name)
      return as === target.name ? `- ${as}` : `- ${as} = ${declared}`
    })
    return `## ${name}\n\n${lines.length === 0 ? 'Exports nothing.' : lines.join('\n')}\n`
  })
  const declarations = [...reached.values()]
    .sort((a, b) => compare(a.name, b.name) || compare(a.file, b.file))
    .map(({ text }) => withoutVersion(text))
  return [
    '# The public API\n',
    'Made by `npm run api` of the compiled declarations; a test compares. Do not edit.\n',
    ...sections,
    '## Declarations\n',
    `\`\`\`ts\n${declarations.join('\n\n')}\n\`\`\`\n`,
  ].join('\n')
}

function compare(a, b) {
  return a < b ? -1 : Number(a > b)
}

/** Notes a declaration and all that it names. @returns its name, or the external module it comes from */
function reach(file, name) {
  const { declarations, imports } = moduleOf(file)
  const text = declarations.get(name)
  if (text === undefined) {
    const from = imports.get(name)
    if (from === undefined) throw new Error(`${relative(ROOT, file)} does not declare ${name}`)
    return from.file === undefined ? `${from.name} of ${from.module}` : reach(from.file, from.name)
  }
  const key = `${file}#${name}`
  if (reached.has(key)) return name
  reached.set(key, { file, name, text: withoutPaths(text) })
  for (const [, specifier, imported] of text.matchAll(/import\("(\.[^"]*)"\)\.([\w$]+)/g)) {
    const target = exportsOf(resolveFrom(file, specifier)).get(imported)
    if (target !== undefined) reach(target.file, target.name)
  }
  for (const [word] of text.matchAll(IDENTIFIER)) {
    if (word === name) continue
    if (declarations.has(word)) reach(file, word)
    else if (imports.get(word)?.file !== undefined) reach(imports.get(word).file, imports.get(word).name)
  }
  return name
}

/** Where a module of ours lies is not part of the API. */
function withoutPaths(text) {
  return text.replaceAll(/import\("\.[^"]*"\)\./g, '').replace(/^export /gm, '')
}

/** A release does not change the API. */
function withoutVersion(text) {
  return text.replaceAll(`"${MANIFEST.version}"`, '"<version>"')
}

/** What a module exports: by name, the module and the name that declare it. */
function exportsOf(file) {
  const { declarations, exported, reexports, stars } = moduleOf(file)
  const found = new Map()
  for (const star of stars) for (const [name, target] of exportsOf(star)) found.set(name, target)
  for (const name of declarations.keys()) if (exported.has(name)) found.set(name, { file, name })
  for (const { as, name, from } of reexports) {
    const target = from === undefined ? { file, name } : exportsOf(from).get(name)
    if (target === undefined) throw new Error(`${relative(ROOT, from)} does not export ${name}`)
    found.set(as, target)
  }
  return found
}

function moduleOf(file) {
  const known = modules.get(file)
  if (known !== undefined) return known
  const module = {
    declarations: new Map(),
    exported: new Set(),
    imports: new Map(),
    reexports: [],
    stars: [],
  }
  modules.set(file, module)
  for (const statement of statementsOf(readFileSync(file, 'utf8'))) sort(module, statement, file)
  return module
}

function sort(module, statement, file) {
  const [, verb, list, specifier] =
    /^(import|export)(?: type)? \{([^}]*)\}(?: from '([^']*)')?;$/.exec(statement) ?? []
  if (verb !== undefined) {
    const from = specifier?.startsWith('.') ? resolveFrom(file, specifier) : undefined
    for (const { name, as } of namesOf(list)) {
      if (verb === 'import') module.imports.set(as, { name, file: from, module: specifier })
      else module.reexports.push({ name, as, from })
    }
    return
  }
  const [, star] = /^export \* from '(\.[^']*)';$/.exec(statement) ?? []
  if (star !== undefined) return module.stars.push(resolveFrom(file, star))
  // A module from outside as a whole, or for its effects alone: the declarations name it.
  if (statement.startsWith('import ')) return
  const [, name] = DECLARATION.exec(statement) ?? []
  if (name === undefined) throw new Error(`not understood in ${relative(ROOT, file)}: ${statement}`)
  const before = module.declarations.get(name)
  module.declarations.set(name, before === undefined ? statement : `${before}\n${statement}`)
  if (statement.startsWith('export ')) module.exported.add(name)
}

/** The compiler begins each statement, and only these, at the left margin. */
function statementsOf(text) {
  return withoutComments(text)
    .split(/\n(?=[a-z])/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

function withoutComments(text) {
  return text.replaceAll(/^ *\/\*[^]*?\*\/\n?/gm, '').replaceAll(/^\/\/.*$/gm, '')
}

function namesOf(list) {
  return list
    .split(',')
    .map((item) => item.trim().replace(/^type /, ''))
    .filter((item) => item !== '')
    .map((item) => {
      const [name, as = name] = item.split(' as ')
      return { name, as }
    })
}

function resolveFrom(file, specifier) {
  return join(dirname(file), specifier.replace(/\.(c?)js$/, '.d.$1ts'))
}
