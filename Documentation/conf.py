# SPDX-License-Identifier: GPL-2.0-only
#
# For Sphinx, which tools/docs runs. The environment variable srctree is a kernel's source, whose
# own extension reads the kernel-doc comments.

import logging
import os
import sys

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.environ['srctree'], 'Documentation', 'sphinx'))

project = 'bgtoken'
author = copyright = 'the bgtoken developers'
extensions = ['kerneldoc']
kerneldoc_srctree = root
primary_domain = 'c'
highlight_language = 'none'
exclude_patterns = ['litmus', 'model']
html_theme = 'alabaster'
html_show_sphinx = False
html_sidebars = {'**': ['about.html', 'navigation.html', 'searchbox.html']}
html_theme_options = {
    'description': 'Background work whose owner can be freed at once',
    'page_width': '70em',
    'fixed_sidebar': True,
}

# The kernel's, and what is opaque.
nitpick_ignore = [('c:identifier', name) for name in (
    'bgcompile_queue', 'bgtoken_wq', 'device', 'list_head', 'poll_table_struct', 'size_t', 'u64')]


class Tags(logging.Filter):
    """An enum and a function may have one name in C, but not in Sphinx (its issue 7819)."""

    def filter(self, record):
        return 'Duplicate C declaration' not in str(record.msg) or not any(
            f'{name} (' in str(record.msg) for name in ('bgtoken_kind', 'bgcompile_progress'))


def setup(app):
    logging.getLogger('sphinx.sphinx.domains.c').addFilter(Tags())
