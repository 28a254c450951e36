type Kind =
  | { readonly kind: 'text'; readonly secret?: true }
  | { readonly kind: 'databaseUrl'; readonly secret: true }
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly unit: string }

export type OptionSpec = Kind & {
  /** Environment variables in order of precedence. */
  readonly variables: readonly string[]
  readonly default: string | number | boolean | undefined
  readonly doc: string
}
