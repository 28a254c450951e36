export declare const TESTS: Readonly<Record<string, string[]>>
