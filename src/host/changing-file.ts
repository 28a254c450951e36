import { readFile, stat } from 'node:fs/promises'
import { diag } from './diagnostics.js'
import { errorText } from './error-text.js'
import { performance } from './globals.js'

/** How often the file is looked at, in ms. */
const LOOK_EVERY_MS = 1000
const LARGEST_FILE = 1024 * 1024

export interface FileUse<Content> {
  /** Of the text of the file. It may throw. */
  readonly parse: (text: string) => Content
  /** The error for a file that cannot be used. It must not quote the file. */
  readonly unusable: (why: string, cause?: unknown) => Error
  /** What stays valid while the file cannot be used, for the log: `the tokens`. */
  readonly what: string
}

/**
 * A file that an operator replaces while it is in use. It is read again when it has changed. One that cannot be read then, or
 * that cannot be parsed, changes nothing, and is logged: a half-written file must not take away what was valid.
 */
export class ChangingFile<Content> {
  readonly #path: string
  readonly #use: FileUse<Content>
  #version: string
  #content: Content
  #lookedAt = performance.now()

  private constructor(path: string, use: FileUse<Content>, version: string, content: Content) {
    this.#path = path
    this.#use = use
    this.#version = version
    this.#content = content
  }

  /** @throws what `unusable` makes, when the file cannot be read; what `parse` throws */
  static async open<Content>(path: string, use: FileUse<Content>): Promise<ChangingFile<Content>> {
    const version = await versionOf(path, use)
    return new ChangingFile(path, use, version, use.parse(await textOf(path, use)))
  }

  /** The content, not older than a second where the file could be used. Never rejects. */
  async current(): Promise<Content> {
    if (performance.now() - this.#lookedAt < LOOK_EVERY_MS) return this.#content
    this.#lookedAt = performance.now()
    try {
      const found = await versionOf(this.#path, this.#use)
      if (found !== this.#version) {
        this.#version = found
        this.#content = this.#use.parse(await textOf(this.#path, this.#use))
      }
    } catch (error) {
      diag.error(`otel-audit: ${errorText(error)}; ${this.#use.what} that was read before stays valid`)
    }
    return this.#content
  }
}

/** Of the text of a file that holds one value: editors and secret stores put a line break at its end. */
export function withoutLineBreak(text: string): string {
  return text.replace(/\r?\n$/, '')
}

type Unusable = Pick<FileUse<unknown>, 'unusable'>

async function versionOf(path: string, { unusable }: Unusable): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino } = await stat(path)
    return [mtimeMs, ctimeMs, size, ino].join()
  } catch (cause) {
    throw unusable(unread(cause), cause)
  }
}

async function textOf(path: string, { unusable }: Unusable): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unusable(unread(cause), cause)
  })
  if (text.length > LARGEST_FILE) throw unusable('it is larger than 1 MiB')
  return text
}

function unread(cause: unknown): string {
  return `it cannot be read (${String((cause as { code?: unknown }).code)})`
}
