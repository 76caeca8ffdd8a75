from django.contrib.admin.apps import AdminConfig


class SiteConfig(AdminConfig):
    default_site = "signalsite.accounts.admin_site.Site"
