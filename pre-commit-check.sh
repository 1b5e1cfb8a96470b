#!/usr/bin/env bash
# Blocks a commit that would publish an Anthropic key or a Hugging Face token.
#
# Reads the staged content (the index that git is about to commit), not the files on disk. Each file
# that differs from HEAD is read completely, not only its changed lines: existing keys are leaks too.
#
#   exit 0  nothing found
#   exit 1  blocked; "path:line: finding" on stderr, without any character of the key
#   exit 2  the check failed, so the commit is blocked as well
#
# It does not change the directory, because git may set relative GIT_DIR and GIT_INDEX_FILE for hooks.
# It writes no temporary file, which would contain the key. It always starts the same few processes,
# regardless of the number of staged files.
set -euo pipefail

export LC_ALL=C                   # bytes, whatever the encoding of names and contents
export GIT_NO_REPLACE_OBJECTS=1   # the committed content, not a local replacement

marker='pragma: allowlist secret'
# Begins the line before each file's content. Random, so that no content can imitate it.
header="staged-$$-$RANDOM$RANDOM$RANDOM-"

cannot_check() {
    printf 'pre-commit-check: could not check the staged files (%s failed); commit blocked.\n' "$1" >&2
    exit 2
}

# Writes records that end in a newline; a newline within a name becomes \002. Each entry has two:
# ":old-mode new-mode old-id new-id status", then its path.
staged_entries() {
    git diff-index --cached --raw --no-abbrev -z --no-renames --diff-filter=d "$1" -- |
        tr '\000\n' '\n\002'
}

# Turns them into requests for `git cat-file --batch`: an object, then a letter and the path.
#   F  a file, or a symbolic link (its content is its target; nothing is followed)
#   U  a path with an unresolved conflict, so without unique content
#   E  the end, with the number of entries, to verify that none was lost
# Submodules are skipped. The "|" prevents git from trimming a path.
content_requests() {
    awk -v nothing="$1" '
        NR % 2           { split($0, entry, " "); mode = entry[2]; id = entry[4]; next }
        mode == "160000" { next }
        mode == "000000" { count++; print nothing " U" $0 "|"; next }
                         { count++; print id " F" $0 "|" }
        END              { print nothing " E" (count + 0) }
    '
}

# Writes the contents with a header line before each. NUL, which some awks can't read, becomes \001.
contents() {
    git cat-file --batch="$header%(rest)" --buffer | tr '\000\001' '\001 '
}

# Writes "path:line: finding" for each finding, and "complete" if it has read all files to their end.
# The regular expressions avoid {n,}, which some awks don't support.
findings_in_contents() {
    awk -v header="$header" -v marker="$marker" '
        BEGIN {
            width = length(header)
            for (i = 1; i < 256; i++)
                if (i < 32 || i > 126) escape[sprintf("%c", i)] = sprintf("\\%03o", i)
            escape["\t"] = "\\t"; escape["\002"] = "\\n"; escape["\""] = "\\\""; escape["\\"] = "\\\\"
        }

        # Whether text looks random: it has at least `kinds` of lowercase letters, uppercase letters
        # and digits, and 8 different characters.
        function varied(text, kinds,    i, seen, different) {
            text = substr(text, 1, 200)
            if ((text ~ /[a-z]/) + (text ~ /[A-Z]/) + (text ~ /[0-9]/) < kinds) return 0
            for (i = 1; i <= length(text); i++)
                if (!(substr(text, i, 1) in seen)) { seen[substr(text, i, 1)]; different++ }
            return different >= 8
        }

        # A key has some 95 characters after "sk-ant-api03-". Shorter ones count as well, but without
        # such a type ("task-ant-design-...") more characters are required.
        function has_anthropic_key(text,    parts, count, i, body, least) {
            count = split(text, parts, /sk-ant-/)
            for (i = 2; i <= count; i++) {
                if (!match(parts[i], /^[A-Za-z0-9_-]+/)) continue
                body = substr(parts[i], 1, RLENGTH)
                least = sub(/^[a-z]+[0-9][0-9]-/, "", body) ? 20 : 32
                if (length(body) >= least && varied(body, 3)) return 1
            }
            return 0
        }

        # A token has 34 letters after its prefix, usually without digits. Names in snake_case have no
        # such sequence.
        function has_hugging_face_token(text,    parts, count, i) {
            count = split(text, parts, /hf_|api_org_/)
            for (i = 2; i <= count; i++)
                if (match(parts[i], /^[A-Za-z0-9]+/) && RLENGTH >= 34 &&
                    varied(substr(parts[i], 1, RLENGTH), 2)) return 1
            return 0
        }

        function found(what) { findings[++pending] = what }

        # Reads a long line in pieces, because mawk takes minutes to split one megabyte at once. The
        # pieces overlap by more than the length of a key.
        function look_for_keys(place, text,    size, start, piece, anthropic, hugging_face) {
            if (text !~ /sk-ant-|hf_|api_org_/) return 0
            size = length(text)
            for (start = 1; start <= size; start += 4096) {
                piece = substr(text, start, 4096 + 256)
                if (has_anthropic_key(piece)) anthropic = 1
                if (has_hugging_face_token(piece)) hugging_face = 1
            }
            if (anthropic) found(place ": looks like an Anthropic API key")
            if (hugging_face) found(place ": looks like a Hugging Face token")
            return anthropic || hugging_face
        }

        # A line of a .env file. The value is empty if the "=" is followed by nothing, a pair of quotes
        # (\047 is a single quote) or a comment.
        function look_for_value(place, text,    name) {
            name = text
            sub(/^[ \t]*(export[ \t]+)?/, "", name)
            if (name !~ /^(ANTHROPIC_API_KEY|HUGGINGFACEHUB_API_TOKEN|HF_TOKEN)[ \t]*=/) return
            sub(/[ \t]*=.*$/, "", name)
            sub(/^[^=]*=/, "", text)
            if (text !~ /^[ \t]*(""|\047\047)?([ \t]+#.*)?[ \t\r]*$/)
                found(place ": a .env file with a value for " name)
        }

        # The path as git shows it: in quotes and with escapes if it has special characters.
        function shown(path,    i, char, text, odd) {
            for (i = 1; i <= length(path); i++) {
                char = substr(path, i, 1)
                if (char in escape) { odd = 1; char = escape[char] }
                text = text char
            }
            return odd ? "\"" text "\"" : text
        }

        function is_env_file(path) {
            sub(/^.*\//, "", path)
            path = tolower(path)
            return path ~ /^\.env(\..*)?$/ && path != ".env.example"
        }

        # Names are published like contents. Called before the path is shown, because it may redact it.
        function look_at_name(    safe) {
            safe = path
            gsub(/(sk-ant-|hf_|api_org_)[A-Za-z0-9_-]+/, "[key]", safe)
            if (look_for_keys("file name " shown(safe), path)) path = safe
        }

        function flush(    i) {
            for (i = 1; i <= pending; i++) print findings[i]
            pending = 0
        }

        function begin(letter, rest) {
            flush()
            binary = utf16 = line = bytes = 0
            if (letter == "E") { expected = rest; ended = 1; return }
            path = substr(rest, 1, length(rest) - 1)
            env_file = is_env_file(path)
            look_at_name()
            flush()
            place = shown(path)
            if (letter == "U") found(place ": has an unresolved conflict")
            files++
        }

        substr($0, 1, width) == header {
            begin(substr($0, width + 1, 1), substr($0, width + 2))
            next
        }
        binary { next }
        {
            text = $0
            if (++line == 1) {
                mark = substr(text, 1, 2)
                utf16 = mark == "\377\376" || mark == "\376\377"
                if (utf16) text = substr(text, 3)
                else if (substr(text, 1, 3) == "\357\273\277") text = substr(text, 4)
            }
            # Like git, treat files with a NUL in the first 8000 bytes as binary, except UTF-16
            # (PowerShell writes it) and .env files.
            nul = index(text, "\001")
            if (nul && (utf16 || env_file)) gsub(/\001/, "", text)
            else if (nul && bytes + nul <= 8000) { binary = 1; pending = 0; next }
            bytes += length(text) + 1
            if (index(text, marker)) next
            if (!look_for_keys(place ":" line, text) && env_file) look_for_value(place ":" line, text)
        }
        END {
            flush()
            if (ended && files + 0 == expected + 0) print "complete"
        }
    '
}

nothing=$(git hash-object -t tree /dev/null) || cannot_check 'git hash-object'
# Without a HEAD (before the first commit) everything staged is new.
base=$(git rev-parse --verify --quiet 'HEAD^{tree}') || base=$nothing

findings=$(staged_entries "$base" | content_requests "$nothing" | contents | findings_in_contents) ||
    cannot_check 'reading the index with git, tr and awk'
case $findings in
    complete) exit 0 ;;
    *complete) findings=${findings%?complete} ;;
    *) cannot_check 'reading every staged file' ;;
esac

cat >&2 <<END
Commit blocked by pre-commit-check:

$findings

What to do:
  - Remove the key, then stage the file again (git add). Keep the key in .env, which git ignores.
  - A staged .env file: git rm --cached <file>. Only .env.example, without values, is committed.
  - A key that was ever committed or shared is no longer secret: revoke it with its provider.
  - A false positive: end that line with the comment "$marker".
END
exit 1
