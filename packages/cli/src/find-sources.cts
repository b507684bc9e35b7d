/**
 * Tells Node where the files of our packages are. By itself it looks into every folder above the file that imports, for
 * each import anew, which takes longer than all else that a small command does. Node runs this before a program of ours;
 * without it the same files are found. It is CommonJS since `--require` takes a path, and `--import` a URL.
 */
{
  const { registerHooks } = process.getBuiltinModule('node:module');
  const packages = process.getBuiltinModule('node:url').pathToFileURL(`${__dirname}/../..`).href;
  const ours = (url: string) => ({ url, format: 'module-typescript', shortCircuit: true });
  registerHooks({
    resolve(specifier, context, next) {
      const { parentURL } = context;
      if (!specifier.endsWith('.ts') || parentURL === undefined) return next(specifier, context);
      if (specifier.startsWith('.')) return ours(new URL(specifier, parentURL).href);
      const [scope, name, ...path] = specifier.split('/');
      return scope === '@banger' ? ours(`${packages}/${name}/src/${path.join('/')}`) : next(specifier, context);
    },
  });
}
