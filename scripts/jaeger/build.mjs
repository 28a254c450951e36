// Builds Jaeger from the Go module proxy: `node scripts/jaeger/build.mjs`. It takes minutes, once.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PARALLEL, run } from '../collector/build.mjs'

const CACHE = join(import.meta.dirname, '..', '..', '.jaeger')
const MODULE = 'github.com/jaegertracing/jaeger'
/** The last of the 1.x modules, whose `cmd/jaeger` is the program of 2.x; those have no module of their own in the proxy. */
const VERSION = 'v1.76.0'

/** The path of a Jaeger: what `JAEGER_BIN` names, else the one that is built here, which is kept in `.jaeger/`. */
export async function jaegerBinary(log) {
  const given = process.env.JAEGER_BIN
  if (given) return given
  const binary = join(CACHE, `jaeger-${VERSION}`)
  if (existsSync(binary)) return binary
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'build-'))
  try {
    await writeFile(
      join(work, 'go.mod'),
      ['module otel-audit.example/jaeger', '', 'go 1.25.0', '', `require ${MODULE} ${VERSION}`, ''].join(
        '\n',
      ),
    )
    log(`compiling Jaeger ${VERSION}; this takes some minutes`)
    const flags = [
      '-mod=mod',
      '-trimpath',
      '-buildvcs=false',
      '-ldflags',
      '-s -w',
      '-o',
      join(work, 'jaeger'),
    ]
    await run('go', ['build', ...PARALLEL, ...flags, `${MODULE}/cmd/jaeger`], work, { CGO_ENABLED: '0' })
    await rename(join(work, 'jaeger'), binary)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return binary
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(await jaegerBinary((line) => console.error(line)))
}
