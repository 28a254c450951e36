// The shape of the source, per folder of src and in total: how long its files are, how much of them is comment, and
// which exports no other file uses. Prints a table; with --unused also the names.
//
// Lines are all lines of a file. The comment share is comment lines / (comment + code lines), a line with both being
// code. Exports of the entry points (package.json) are for users of the package, and not counted as unused.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const SOURCE = join(ROOT, 'src')

const files = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.c?ts$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name))
  .sort((a, b) => (a < b ? -1 : 1))
  .map(read)
const entries = entryPoints()
const byPath = new Map(files.map((file) => [file.path, file]))
for (const file of files) noteUses(file)

const folders = [...new Set(files.map(({ path }) => folderOf(path)))].sort()
const rows = [
  ...folders.map((folder) =>
    rowOf(
      folder,
      files.filter(({ path }) => folderOf(path) === folder),
    ),
  ),
  rowOf('all of src', files),
]
const head = ['', 'files', 'median', 'p90', 'max', 'largest', '≤ 60', 'comments', 'exports', 'unused']
print([head, ...rows])
if (process.argv.includes('--unused')) {
  for (const file of files)
    for (const name of unused(file)) console.log(`${relative(ROOT, file.path)} ${name}`)
}

function read(path) {
  const text = readFileSync(path, 'utf8')
  const { code, comment } = countLines(text)
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  return { path, text, code, comment, lines, exports: exportsOf(text), used: new Set() }
}

/** A line is code if anything but a comment is on it. */
function countLines(text) {
  let [code, comment, inBlock] = [0, 0, false]
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '') continue
    if (inBlock || line.startsWith('/*')) {
      comment++
      inBlock = !line.includes('*/')
    } else if (line.startsWith('//')) comment++
    else code++
  }
  return { code, comment }
}

function exportsOf(text) {
  const declared =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|const|let|interface|type|enum) (\w+)/gm
  const listed = /^export (?:type )?\{([^}]*)\}/gm
  return [
    ...[...text.matchAll(declared)].map(([, name]) => name),
    ...[...text.matchAll(listed)].flatMap(([, names]) => names.split(',').flatMap(exportedName)),
  ]
}

function exportedName(item) {
  const name = item.trim().split(/\s+/).at(-1)
  return name ? [name] : []
}

/** An export is used by a file that imports its module, in whatever way, and has the name as a word. */
function noteUses(file) {
  for (const [, specifier] of file.text.matchAll(/(?:from|import\(|import) ?'(\.[^']*)'/g)) {
    const target = byPath.get(resolve(dirname(file.path), specifier).replace(/\.(c?)js$/, '.$1ts'))
    for (const name of target?.exports ?? []) {
      if (new RegExp(`\\b${name}\\b`).test(file.text)) target.used.add(name)
    }
  }
}

function unused({ path, exports, used }) {
  return entries.has(path) ? [] : exports.filter((name) => !used.has(name))
}

/** The sources of what package.json exports and runs. */
function entryPoints() {
  const { exports, bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const targets = JSON.stringify([exports, bin]).matchAll(/"\.\/dist\/([^"]+?)(?:\.d)?\.(c?)[jt]s"/g)
  return new Set([...targets].map(([, name, c]) => join(SOURCE, `${name}.${c}ts`)))
}

function folderOf(path) {
  const folder = dirname(relative(SOURCE, path))
  return folder === '.' ? '(at the top)' : folder
}

function rowOf(name, members) {
  const lengths = members.map(({ lines }) => lines).sort((a, b) => a - b)
  const largest = members.find(({ lines }) => lines === lengths.at(-1))
  const sum = (count) => members.reduce((total, file) => total + count(file), 0)
  const comments = sum(({ comment }) => comment)
  return [
    name,
    members.length,
    quantile(lengths, 0.5),
    quantile(lengths, 0.9),
    lengths.at(-1),
    relative(SOURCE, largest.path),
    percent(lengths.filter((length) => length <= 60).length / lengths.length),
    percent(comments / (comments + sum(({ code }) => code))),
    sum((file) => file.exports.length),
    sum((file) => unused(file).length),
  ]
}

/** The nearest rank of sorted numbers. */
function quantile(sorted, share) {
  return sorted[Math.ceil(share * sorted.length) - 1]
}

function percent(share) {
  return `${(share * 100).toFixed(1)} %`
}

function print(table) {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => String(row[column]).length)))
  const leftAligned = new Set([0, 5])
  for (const row of table) {
    const cells = row.map((cell, column) =>
      leftAligned.has(column) ? String(cell).padEnd(widths[column]) : String(cell).padStart(widths[column]),
    )
    console.log(cells.join('  ').trimEnd())
  }
}
