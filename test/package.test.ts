import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, it } from 'vitest'
import { packageRoot } from './support/postgres/package-root.js'
import { packageUser } from './support/type-check.js'

const run = promisify(execFile)
/** Paths of the files that a user gets, as npm packs them. */
let packed: ReadonlySet<string>

beforeAll(async () => {
  packed = new Set((await pack('--dry-run')).files.map(({ path }) => path))
})

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

async function pack(...options: readonly string[]): Promise<Packed> {
  const args = ['pack', '--json', '--ignore-scripts', '--loglevel=error', ...options]
  const { stdout } = await run('npm', args, { cwd: packageRoot(), maxBuffer: 2 ** 26 })
  const [found] = JSON.parse(stdout) as Packed[]
  if (found === undefined) throw new Error('npm packed nothing')
  return found
}

const read = (path: string): Promise<string> => readFile(join(packageRoot(), path), 'utf8')

/** Relative links of a Markdown file, from the root of the package. */
async function linksOf(path: string): Promise<string[]> {
  const text = (await read(path)).replaceAll(/^```.*?^```/gms, '')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)|<img[^>]* src="([^"]+)"/g)].map(
    ([, link, image]) => link ?? image ?? '',
  )
  return targets
    .filter((target) => !/^([a-z]+:|#)/.test(target))
    .map((target) => normalize(join(dirname(path), target.replace(/#.*/, ''))).replace(/\/$/, ''))
}

it('what the documents link to is in the package', async () => {
  const inDocs = await readdir(join(packageRoot(), 'docs'), { recursive: true })
  const documents = [
    'README.md',
    ...inDocs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ]
  expect(documents.filter((path) => !packed.has(path))).toEqual([])

  const isPacked = (target: string): boolean =>
    packed.has(target) || [...packed].some((path) => path.startsWith(`${target}/`))
  const links = await Promise.all(
    documents.map(async (path) => (await linksOf(path)).map((target) => ({ path, target }))),
  )
  expect(links.flat().length).toBeGreaterThan(50)
  expect(links.flat().filter(({ target }) => !isPacked(target))).toEqual([])
})

it('every module and declaration has a map, which leads to a source in the package', async () => {
  const made = [...packed].filter((path) => /^dist\/.*\.c?[jt]s$/.test(path) && !path.includes('/console/'))
  expect(made.filter((path) => !packed.has(`${path}.map`))).toEqual([])
  const lost = await Promise.all(
    made.map(async (path) => {
      const { sources } = JSON.parse(await read(`${path}.map`)) as { sources: readonly string[] }
      return sources.map((source) => normalize(join(dirname(path), source))).filter((at) => !packed.has(at))
    }),
  )
  expect(lost.flat()).toEqual([])
})

it('with --enable-source-maps a stack trace of the package names lines of TypeScript that are in it', async () => {
  const user = await packageUser()
  const installed = join(user, 'node_modules', 'otel-audit')
  await mkdir(installed, { recursive: true })
  // A package of the user's own: in ours the name would mean ours.
  await writeFile(join(user, 'package.json'), '{}')
  const { filename } = await pack('--pack-destination', user)
  await run('tar', ['-xzf', join(user, filename), '-C', installed, '--strip-components=1'])
  await writeFile(
    join(user, 'user.mjs'),
    `import { createAudit } from 'otel-audit'
     try { createAudit({ databaseUrl: 'postgres://h/d', queueRows: -1 }) } catch (error) { console.log(error.stack) }`,
  )
  const { stdout } = await run(process.execPath, ['--enable-source-maps', join(user, 'user.mjs')])
  const lines = [...stdout.matchAll(/otel-audit\/(src\/[\w/-]+\.ts):(\d+)/g)]
  expect(lines.map(([, file]) => file)).toContain('src/audit/audit.ts')
  expect(stdout).not.toContain('otel-audit/dist/')
  const [, file = '', line = ''] = lines.find(([, path]) => path === 'src/audit/audit.ts') ?? []
  const source = (await readFile(join(installed, file), 'utf8')).split('\n')[Number(line) - 1]
  expect(source).toMatch(/[sS]ettings|[oO]ptions/)
})
