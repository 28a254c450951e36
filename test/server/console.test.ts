import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { served } from './served.js'

const FOLDER = join(packageRoot(), 'src/console')

/** All files below a folder, by their paths in it. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) =>
      join(parentPath, name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}

/** As it is sent: `fetch` would decompress it. */
async function rawGet(url: string): Promise<{ bytes: Buffer; encoding: string | undefined }> {
  const request = get(url, { headers: { 'accept-encoding': 'gzip' } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { bytes: Buffer.concat(await response.toArray()), encoding: response.headers['content-encoding'] }
}

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

describe('the console', () => {
  test('is served as it is, every file of it and no other, without a token', async () => {
    const { get } = await served(database.url)
    const files = filesIn(FOLDER)
    for (const file of files) {
      const { status, text, headers } = await get(file === 'index.html' ? '/' : `/console/${file}`, {})
      expect({ file, status }).toEqual({ file, status: 200 })
      expect(text).toBe(readFileSync(join(FOLDER, file), 'utf8'))
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
    for (const path of [
      '/console/',
      '/console/index.html',
      '/console/../package.json',
      '/console/%2e%2e/app.js',
    ]) {
      expect((await get(path, {})).status, path).toBe(404)
    }
    expect(filesIn(join(packageRoot(), 'dist/console'))).toEqual(files)
  })

  test('lets nothing run but its own files, has nothing inline, and nothing from elsewhere', async () => {
    const { get } = await served(database.url)
    const { text, headers } = await get('/', {})
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|\*|data:|https?:/)
    expect(text).not.toMatch(/<style|style=|<script(?! type="module" src="\/)|\son\w+=|https?:/)
    const sources = filesIn(FOLDER).filter((file) => file.endsWith('.js'))
    for (const file of sources) {
      const source = readFileSync(join(FOLDER, file), 'utf8')
      expect(source, file).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/,
      )
    }
  })

  test('has pictures in the docs, each of them shown, and small', () => {
    const docs = join(packageRoot(), 'docs')
    const page = readFileSync(join(docs, 'api.md'), 'utf8')
    const shown = [...page.matchAll(/!\[[^\]]+\]\(console\/(.*?)\)/g)].map(([, file = '']) => file)
    expect(readdirSync(join(docs, 'console')).sort()).toEqual(shown.sort())
    for (const file of shown) {
      expect(statSync(join(docs, 'console', file)).size, file).toBeLessThan(150_000)
    }
  })

  test('is less than 100 kB as it is sent, all views of it', async () => {
    const { url } = await served(database.url)
    let sent = 0
    let read = 0
    for (const file of filesIn(FOLDER)) {
      const path = file === 'index.html' ? '/' : `/console/${file}`
      const response = await rawGet(url + path)
      sent += response.bytes.length
      read += gunzipSync(response.bytes).length
      expect([file, response.encoding]).toEqual([file, 'gzip'])
    }
    expect(read).toBe(filesIn(FOLDER).reduce((sum, file) => sum + statSync(join(FOLDER, file)).size, 0))
    expect(sent).toBeLessThan(100_000)
  })

  test('has the chart library with its licence, as its package has it', () => {
    const library = readFileSync(join(FOLDER, 'vendor/uplot.js'), 'utf8')
    expect(library).toContain('Permission is hereby granted, free of charge')
    expect(library).toContain(
      readFileSync(join(packageRoot(), 'node_modules/uplot/dist/uPlot.iife.min.js'), 'utf8').trim(),
    )
  })

  test.each([
    ['javascript:alert(1)//{trace_id}'],
    ['https://jaeger.example/trace'],
    ['not an address {trace_id}'],
  ])('leads to no trace at %s', async (traceUrl) => {
    await expect(served(database.url, { traceUrl })).rejects.toMatchObject({ field: 'traceUrl' })
  })

  test('says where traces are', async () => {
    const traceUrl = 'https://jaeger.example/trace/{trace_id}'
    const { get } = await served(database.url, { traceUrl })
    expect((await get('/console/settings.json', {})).body).toMatchObject({ traceUrl })
  })
})
