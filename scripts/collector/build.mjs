// Builds the collector of builder-config.yaml: `node scripts/collector/build.mjs`. It takes minutes, once.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = join(import.meta.dirname, '..', '..')
const MANIFEST = join(import.meta.dirname, 'builder-config.yaml')
const CACHE = join(ROOT, '.collector')
const BUILDER = 'go.opentelemetry.io/collector/cmd/builder'
/** As many packages are compiled at one time. */
export const PARALLEL = ['-p', '2']

/**
 * The path of a collector: what `COLLECTOR_BIN` names, else the one built from the manifest, which is kept in
 * `.collector/` under the digest of the manifest.
 */
export async function collectorBinary(log) {
  const given = process.env.COLLECTOR_BIN
  if (given) return given
  const manifest = await readFile(MANIFEST, 'utf8')
  const digest = createHash('sha256').update(manifest).digest('hex').slice(0, 12)
  const binary = join(CACHE, `otelcol-${digest}`)
  if (existsSync(binary)) return binary
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'build-'))
  try {
    await build(manifest, work, log)
    await rename(join(work, 'otelcol'), binary)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return binary
}

async function build(manifest, work, log) {
  const version = /^ {2}version: (\S+)$/m.exec(manifest)?.[1]
  if (version === undefined) throw new Error(`${MANIFEST}: dist.version is missing`)
  log(`installing the collector builder ${version}`)
  await run('go', ['install', ...PARALLEL, `${BUILDER}@v${version}`], work, { GOBIN: work })
  const sources = join(work, 'sources')
  const config = join(work, 'builder-config.yaml')
  await writeFile(config, manifest.replace('dist:\n', `dist:\n  output_path: ${JSON.stringify(sources)}\n`))
  log('generating sources')
  const generate = ['--config', config, '--skip-compilation', '--skip-get-modules']
  await run(join(work, 'builder'), generate, work)
  await writeFile(join(sources, 'go.mod'), goMod(manifest, version))
  log('compiling the collector; this takes some minutes')
  const flags = ['-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', join(work, 'otelcol')]
  await run('go', ['build', ...PARALLEL, ...flags, '.'], sources, { CGO_ENABLED: '0' })
}

/**
 * The builder would run `go mod tidy`, which downloads the dependencies of the tests of all dependencies, too.
 * The exact versions of the manifest and minimal version selection give the same build without them.
 */
function goMod(manifest, version) {
  const parts = [...manifest.matchAll(/^ {2}- gomod: (\S+ \S+)$/gm)].map(([, part]) => part)
  const required = [...parts, `go.opentelemetry.io/collector/otelcol v${version}`]
  const lines = required.map((part) => `\t${part}`)
  return ['module otel-audit.example/collector', '', 'go 1.25.0', '', 'require (', ...lines, ')', ''].join(
    '\n',
  )
}

/** Runs a command to its end; a failure has the last lines that it said. */
export function run(command, args, cwd, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const said = []
    child.stderr.on('data', (chunk) => said.push(chunk))
    child.on('error', (error) => reject(new Error(`${command} could not be started: ${error.message}`)))
    child.on('close', (code) => {
      const tail = Buffer.concat(said).toString('utf8').trim().split('\n').slice(-15)
      if (code === 0) resolve()
      else reject(new Error([`${command} ${args.join(' ')} failed:`, ...tail].join('\n  ')))
    })
  })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(await collectorBinary((line) => console.error(line)))
}
