// Shell-like patterns over layer names: `*` any characters (dots too), `?` one, `[abc]` a set.

function globExpression(pattern: string): RegExp {
  const source = pattern.replace(/\*|\?|\[!?[^\]]*\]|[^*?[]+|\[/g, (token) => {
    if (token === '*') return '.*';
    if (token === '?') return '.';
    if (token.length > 2 && token.startsWith('[')) {
      const negated = token.startsWith('[!');
      const members = token.slice(negated ? 2 : 1, -1).replace(/[\\\]^]/g, '\\$&');
      return `[${negated ? '^' : ''}${members}]`;
    }
    return token.replace(/[\\^$.|+(){}[\]]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 's');
}

/** Whether `name` matches the pattern as a whole. */
export function globMatches(pattern: string, name: string): boolean {
  return globExpression(pattern).test(name);
}

/**
 * The names that match one of `include` (all names when it is empty) and none of `exclude`.
 * @returns the chosen names in their order, and the include patterns that match nothing
 */
export function selectNames(
  names: readonly string[],
  include: readonly string[],
  exclude: readonly string[],
): { readonly selected: readonly string[]; readonly unmatched: readonly string[] } {
  const included = (name: string) =>
    include.length === 0 || include.some((pattern) => globMatches(pattern, name));
  const excluded = (name: string) => exclude.some((pattern) => globMatches(pattern, name));
  return {
    selected: names.filter((name) => included(name) && !excluded(name)),
    unmatched: include.filter((pattern) => !names.some((name) => globMatches(pattern, name))),
  };
}
