// Takes typed values out of parsed JSON by their path, so that a damaged record is named, not followed.

/** A value of the JSON is missing or of another type. */
export class JsonFieldError extends Error {
  constructor(path: string, expected: string) {
    super(`'${path}' is not ${expected}`);
  }
}

/** Reads fields of one JSON object; every method throws JsonFieldError with the field's path. */
export class JsonFields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new JsonFieldError(path || 'it', 'an object');
    this.#values = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  #at(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  string(key: string): string {
    const value = this.#values[key];
    if (typeof value !== 'string') throw new JsonFieldError(this.#at(key), 'a text');
    return value;
  }

  /** The text, or the given one where the key is absent. */
  stringOr(key: string, absent: string): string {
    return this.#values[key] === undefined ? absent : this.string(key);
  }

  number(key: string): number {
    const value = this.#values[key];
    if (typeof value !== 'number') throw new JsonFieldError(this.#at(key), 'a number');
    return value;
  }

  object(key: string): JsonFields {
    return new JsonFields(this.#values[key], this.#at(key));
  }

  /** The objects of an array; none where the key is absent. */
  objects(key: string): readonly JsonFields[] {
    return this.#array(key).map(
      (item, index) => new JsonFields(item, `${this.#at(key)}[${index}]`),
    );
  }

  /** The texts of an array; none where the key is absent. */
  strings(key: string): readonly string[] {
    return this.#array(key).map((item, index) => {
      if (typeof item !== 'string')
        throw new JsonFieldError(`${this.#at(key)}[${index}]`, 'a text');
      return item;
    });
  }

  #array(key: string): readonly unknown[] {
    const value = this.#values[key] ?? [];
    if (!Array.isArray(value)) throw new JsonFieldError(this.#at(key), 'an array');
    return value;
  }

  /** Whether the key is absent or its value null. */
  isNull(key: string): boolean {
    return this.#values[key] === undefined || this.#values[key] === null;
  }

  numberOrNull(key: string): number | null {
    return this.isNull(key) ? null : this.number(key);
  }

  objectOrNull(key: string): JsonFields | null {
    return this.isNull(key) ? null : this.object(key);
  }

  /** All entries as texts for people: scalars as they are, arrays joined by commas. */
  asTexts(): ReadonlyMap<string, string> {
    return new Map(
      Object.entries(this.#values).flatMap(([key, value]) => {
        if (value === null || value === undefined) return [];
        return [[key, Array.isArray(value) ? value.join(', ') : String(value)] as const];
      }),
    );
  }
}
